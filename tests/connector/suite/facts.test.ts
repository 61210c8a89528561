import { FACT_COLUMNS } from '@godwit/analytics/columns';
import { EVENTS } from '@godwit/bus/streams';
import { eventsOf } from '@godwit/bus/subjects';
import type { ManagedProcess } from '@godwit/local-stack/process/managed-process';
import { askFacts, sampleQuery, type TableRow } from '@godwit/testkit/fact-table';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connector, type Pipeline } from './connector.js';
import { factsOfAllKinds, messages, SECRETS } from './facts-of-all-kinds.js';
import { KAFKA_JARS } from './kafka.js';
import { countIn, rowsIn, Scene } from './scene.js';
import { servers } from './servers.js';

const QUERIES = ['daily-active-users', 'delivery-percentiles', 'messages-by-type', 'push-success', 'top-errors'];
let scene: Scene;
let running: ManagedProcess[] = [];

beforeEach(async () => {
  scene = await Scene.open(await servers());
});
afterEach(async () => {
  await Promise.all(running.map((process) => process.kill()));
  running = [];
  await scene.bus.close();
});

const start = async (pipeline: Pipeline, env: Readonly<Record<string, string>> = {}): Promise<ManagedProcess> => {
  const { watchdog } = await servers();
  const process = await connector(pipeline, { env: { ...scene.env, ...env }, dir: scene.dir, watchdog });
  running.push(process);
  return process;
};

/** Kills connectors while they write what comes, and when they have read what they have not written. */
const killedWhileWriting = async (pipeline: Pipeline, consumer: string): Promise<void> => {
  for (let round = 0; round < 3; round++) {
    const quick = await start(pipeline, { GODWIT_ANALYTICS_INTERVAL: '50ms' });
    const recording = (async () => {
      for (let i = 0; i < 20; i++) await scene.record(messages(20));
    })();
    const written = async () => (await scene.progress(consumer)).upTo > round;
    await waitFor(written, { what: 'a record to be written', timeoutMs: 30_000 });
    await quick.kill();
    await recording;
    await scene.record(messages(20));
    const slow = await start(pipeline, { GODWIT_ANALYTICS_INTERVAL: '10m' });
    const read = async () => (await scene.progress(consumer)).unacked > 0;
    await waitFor(read, { what: 'a record to be read', timeoutMs: 30_000 });
    await slow.kill();
    expect(await read()).toBe(true);
  }
};

describe('facts on S3', () => {
  it('are the rows that the exporter makes of the same stream, and answer the sample queries', async () => {
    await start('facts-to-s3');
    await scene.record(factsOfAllKinds());
    await scene.bus.store(eventsOf('router', 0), Buffer.from('no record'));
    await scene.record(messages(1_500));
    await scene.caughtUp('lake-s3');
    const [theirs, ours] = [await scene.exported(), await scene.downloaded()];
    expect(await rowsIn(ours)).toEqual(await rowsIn(theirs));
    expect(await countIn(ours)).toBe(await countIn(theirs));
    const columns = 'SELECT column_name, column_type FROM (DESCRIBE facts) ORDER BY column_name';
    expect(await askFacts(ours, columns)).toEqual(await askFacts(theirs, columns));
    for (const query of QUERIES) expect(await sampleQuery(ours, query)).toEqual(await sampleQuery(theirs, query));
    const all = JSON.stringify(await rowsIn(ours));
    for (const secret of SECRETS) expect(all).not.toContain(secret);
  });

  it('are written on from where it was, when the connector was stopped in order', async () => {
    const first = await start('facts-to-s3');
    await scene.record(messages(50));
    await scene.caughtUp('lake-s3');
    await first.stop();
    await scene.record(messages(50));
    await start('facts-to-s3');
    await scene.caughtUp('lake-s3');
    const ours = await scene.downloaded();
    expect(await countIn(ours)).toBe(100);
    expect(await rowsIn(ours)).toEqual(await rowsIn(await scene.exported()));
  });

  it('are all there when the connector is killed while it writes', async () => {
    await killedWhileWriting('facts-to-s3', 'lake-s3');
    await start('facts-to-s3');
    await scene.caughtUp('lake-s3');
    expect(await rowsIn(await scene.downloaded())).toEqual(await rowsIn(await scene.exported()));
  });

  it('come when S3 was away', async () => {
    const { lake } = await servers();
    const process = await start('facts-to-s3');
    await lake.kill();
    await scene.record(messages(30));
    await waitFor(() => process.logTail().includes('connection refused'), { timeoutMs: 30_000 });
    await lake.start();
    await scene.caughtUp('lake-s3');
    expect(await rowsIn(await scene.downloaded())).toEqual(await rowsIn(await scene.exported()));
  });

  it('come when the connector was there before the stream', async () => {
    await scene.withoutStream();
    const process = await start('facts-to-s3');
    await waitFor(() => process.logTail().includes('no consumer of EVENTS could be made'), { timeoutMs: 30_000 });
    // The first fact may find no stream, and has it made.
    await scene.record(messages(1));
    await waitFor(() => scene.bus.streamState(EVENTS), { timeoutMs: 30_000, what: 'the stream' });
    await scene.record(messages(20));
    await waitFor(() => scene.progress('lake-s3'), { timeoutMs: 30_000, what: 'the consumer' });
    await scene.caughtUp('lake-s3');
    expect(await rowsIn(await scene.downloaded())).toEqual(await rowsIn(await scene.exported()));
  });

  it('come when NATS has lost everything: a connector that hears nothing ends, to be started anew', async () => {
    const { nats } = await servers();
    const process = await start('facts-to-s3', { GODWIT_CONNECTOR_IDLE: '3s' });
    await scene.record(messages(10));
    await scene.caughtUp('lake-s3');
    await nats.wipe();
    const exit = await process.untilExit();
    expect(exit).toMatchObject({ code: 0 });
    await waitFor(() => scene.record(messages(20)).then(() => true), { timeoutMs: 30_000 });
    await process.start();
    await scene.caughtUp('lake-s3');
    expect(await countIn(await scene.downloaded())).toBe(30);
  });
});

describe.skipIf(KAFKA_JARS === undefined)('facts in Kafka', () => {
  it('are the rows that the exporter makes of the same stream, as JSON, by conversation', async () => {
    await start('facts-to-kafka');
    await scene.record(factsOfAllKinds());
    await scene.record(messages(1_500));
    await scene.caughtUp('lake-kafka');
    const sent = await sentToKafka();
    const expected = (await rowsIn(await scene.exported())).map(asJson);
    const inOrder = sent.map(({ value }) => value).sort(byName);
    expect(inOrder).toEqual(expected);
    for (const { key, value } of sent) {
      expect(key).toBe(value['conversation_key'] ?? value['user_key'] ?? value['origin']);
    }
    for (const conversation of new Set(sent.map(({ key }) => key))) {
      const rows = sent.filter(({ key }) => key === conversation).map(({ value }) => value);
      expect(rows).toEqual([...rows].sort(byName));
    }
  });

  it('are all there when the connector is killed while it writes', async () => {
    await killedWhileWriting('facts-to-kafka', 'lake-kafka');
    await start('facts-to-kafka');
    await scene.caughtUp('lake-kafka');
    const sent = await sentToKafka();
    const names = new Set(sent.map(({ value }) => nameOf(value)));
    expect([...names].sort()).toEqual((await rowsIn(await scene.exported())).map(nameOf).sort());
  });
});

/** In the order of each partition. */
const sentToKafka = async () => (await (await servers()).kafka?.read(`${scene.namespace}-facts`)) ?? [];

/** A row of the table as facts.schema.json has it: numbers as such, and nothing where there is nothing. */
const asJson = (row: TableRow): TableRow =>
  Object.fromEntries(
    FACT_COLUMNS.filter(({ name }) => row[name] !== null).map(({ name, type }) => [
      name,
      type === 'INT64' ? Number(row[name]) : row[name],
    ]),
  );

const nameOf = (row: TableRow): string => [row['record_ms'], row['record_seq'], row['record_row']].join(' ');

const byName = (a: TableRow, b: TableRow): number =>
  Number(a['record_seq']) - Number(b['record_seq']) || Number(a['record_row']) - Number(b['record_row']);
