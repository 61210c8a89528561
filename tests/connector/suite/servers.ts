import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startNats, type NatsServer } from '@godwit/local-stack/servers/start-nats';
import { KAFKA_JARS, startKafka, type Kafka } from './kafka.js';
import { startLake, type Lake } from './lake.js';

export interface Servers {
  readonly nats: NatsServer;
  readonly lake: Lake;
  /** Undefined where it can't be had. */
  readonly kafka: Kafka | undefined;
  readonly watchdog: Watchdog;
}

let started: Promise<Servers> | undefined;

/** One of each for all test files, which share this module (`isolate: false`); the watchdog ends them with the process. */
export const servers = (): Promise<Servers> => (started ??= start());

async function start(): Promise<Servers> {
  const watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-connector-'));
  watchdog.removeAtEnd(dir);
  const [nats, lake, kafka] = await Promise.all([
    startNats({ dir: path.join(dir, 'nats'), ports: [await freePort()], watchdog }),
    startLake(path.join(dir, 'lake'), watchdog),
    KAFKA_JARS === undefined ? undefined : startKafka(path.join(dir, 'kafka'), watchdog),
  ]);
  return { nats, lake, kafka, watchdog };
}
