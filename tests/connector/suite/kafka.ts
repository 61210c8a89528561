import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { freePorts, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import type { Watchdog } from '@godwit/local-stack/process/watchdog';
import { plainEnvironment, type Server, serverOf } from '@godwit/local-stack/servers/server';
import { runProgram } from '@godwit/testkit/run-program';

/** A message of a topic. */
export interface KafkaMessage {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface Kafka extends Server {
  /** What a topic has, partition by partition. */
  read(topic: string): Promise<KafkaMessage[]>;
}

/** The folder of Kafka's jars; undefined where it can't be had (run.sh says why). */
export const KAFKA_JARS = process.env['GODWIT_KAFKA_JARS'];
/** `dir`: for what Java unpacks, and leaves where it was. */
const java = (dir: string, ...args: string[]): string[] => [
  `-Djava.io.tmpdir=${dir}`,
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  `${KAFKA_JARS ?? ''}/*`,
  ...args,
];

/** One Kafka server that is its own controller. */
export async function startKafka(dir: string, watchdog: Watchdog): Promise<Kafka> {
  const [port = 0, controller = 0] = await freePorts(2);
  const url = `${LOOPBACK}:${port}`;
  const config = path.join(dir, 'server.properties');
  await mkdir(dir, { recursive: true });
  await writeFile(config, properties({ url, controller: `${LOOPBACK}:${controller}`, data: path.join(dir, 'data') }));
  const format = await runProgram(
    'java',
    java(dir, 'kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', config),
    { cwd: dir, timeoutMs: 60_000 },
  );
  if (format.code !== 0) throw new Error(`Kafka's disk could not be formatted: ${format.stdout}${format.stderr}`);
  const spec = {
    name: 'kafka',
    command: 'java',
    args: java(dir, 'kafka.Kafka', config),
    env: plainEnvironment(),
    cwd: dir,
    logFile: path.join(dir, 'kafka.log'),
  };
  const managed = new ManagedProcess(spec, watchdog);
  const ready = () => waitUntilReady(managed, { timeoutMs: 120_000, check: () => complaintOf(port) });
  const server = serverOf({ url, processes: [managed], ready });
  await server.start();
  return { ...server, read: (topic) => readTopic(dir, url, topic) };
}

const properties = ({ url, controller, data }: { url: string; controller: string; data: string }): string =>
  [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@${controller}`,
    `listeners=PLAINTEXT://${url},CONTROLLER://${controller}`,
    `advertised.listeners=PLAINTEXT://${url}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${data}`,
    'num.partitions=3',
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
  ].join('\n');

const complaintOf = (port: number): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: LOOPBACK }, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', reject);
  });

/** Kafka's own consumer; it ends when nothing has come for a while, with an error that says so. */
async function readTopic(dir: string, url: string, topic: string): Promise<KafkaMessage[]> {
  const where = ['--bootstrap-server', url, '--topic', topic, '--from-beginning', '--timeout-ms', '3000'];
  const shape = ['--formatter-property', 'print.key=true'];
  const { stdout } = await runProgram(
    'java',
    java(dir, 'org.apache.kafka.tools.consumer.ConsoleConsumer', ...where, ...shape),
    { cwd: dir, timeoutMs: 60_000 },
  );
  return stdout
    .split('\n')
    .filter((line) => line.includes('\t'))
    .map((line) => {
      const [key = '', value = ''] = line.split('\t');
      return { key, value: JSON.parse(value) as KafkaMessage['value'] };
    });
}
