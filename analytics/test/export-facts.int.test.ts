import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as rawConnect } from '@nats-io/transport-node';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { EVENTS } from '@godwit/bus/streams';
import { eventsOf } from '@godwit/bus/subjects';
import { Fact, FactBatch } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { askFacts } from '@godwit/testkit/fact-table';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exportFacts } from '../src/export-facts.js';
import { removeAbandoned } from '../src/fact-files.js';

const metrics = createMetrics({ service: 'analytics', node: 'analytics', processMetrics: false });
let namespace: string;
let bus: Bus;
let dir: string;
let stored = 0;

beforeEach(async () => {
  stored = 0;
  namespace = uniqueNamespace();
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-analytics-'));
  const { natsUrl: url } = testServers();
  bus = connectBus({ url, namespace, name: 'analytics', logger: silentLogger, metrics, streams: [EVENTS] });
  await ready();
});
afterEach(async () => {
  await bus.close();
  await rm(dir, { recursive: true });
});

const ready = () => waitFor(() => bus.streamState(EVENTS), { what: 'the stream' });

/** Stores records of two facts each, whose `seq` counts all that a test has stored. */
const store = async (records: number): Promise<void> => {
  for (let i = 0; i < records; i++) {
    const facts = [0, 1].map(() => {
      const what = { $case: 'announced' as const, value: { recipients: 1, offline: 0 } };
      return Fact.create({ timeMs: Date.now(), conversationId: 'g:birds', seq: ++stored, what });
    });
    await bus.store(eventsOf('router', i % 32), FactBatch.encode({ origin: 'router-0', facts, dropped: 0 }).finish());
  }
};

const exported = () => exportFacts({ bus, dir, key: 'key', logger: silentLogger });
const seqs = async (): Promise<number[]> =>
  (await askFacts(dir, 'SELECT seq FROM facts ORDER BY seq')).map(({ seq }) => Number(seq));
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
const files = async (): Promise<string[]> =>
  (await readdir(path.join(dir, 'facts'), { recursive: true })).filter((name) => name.endsWith('.parquet')).sort();

it('writes what is new, each fact once, and nothing when nothing is', async () => {
  await store(3);
  expect(await exported()).toBe(true);
  expect(await seqs()).toEqual(upTo(6));
  expect(await exported()).toBe(true);
  expect(await files()).toHaveLength(1);
  await store(2);
  await exported();
  expect(await seqs()).toEqual(upTo(10));
  const names = await files();
  expect(names).toHaveLength(2);
  expect(names[1]).toMatch(/^dt=\d{4}-\d\d-\d\d\/\d{16}-0{15}4\.parquet$/);
});

it('of exporters that write on from the same place one comes first', async () => {
  for (let round = 0; round < 5; round++) {
    await store(2);
    const outcomes = await Promise.all([exported(), exported(), exported()]);
    expect(outcomes).toContain(true);
  }
  expect(await seqs()).toEqual(upTo(20));
});

it('a record that is none is passed over, and so are records that have gone', async () => {
  await store(1);
  await bus.store(eventsOf('router', 1), Buffer.from('no record'));
  await store(1);
  await exported();
  await store(1);
  await withManager((manager) => manager.streams.purge(`${namespace}_EVENTS`));
  await store(1);
  await exported();
  expect(await seqs()).toEqual([1, 2, 3, 4, 7, 8]);
});

it('a stream that was lost and made again is written from its beginning', async () => {
  await store(2);
  await exported();
  await withManager((manager) => manager.streams.delete(`${namespace}_EVENTS`));
  await bus.close();
  const { natsUrl: url } = testServers();
  bus = connectBus({ url, namespace, name: 'analytics', logger: silentLogger, metrics, streams: [EVENTS] });
  await ready();
  await store(2);
  await exported();
  expect(await seqs()).toEqual(upTo(8));
  const rows = await askFacts(dir, 'SELECT count(DISTINCT (record_ms, record_seq, record_row)) AS n FROM facts');
  expect(rows).toEqual([{ n: '8' }]);
});

it('what a killed exporter had begun is no part of the table, and goes after an hour', async () => {
  const scratch = path.join(dir, '_scratch');
  await mkdir(scratch);
  for (const name of ['old', 'new']) await writeFile(path.join(scratch, name), 'half a file');
  await utimes(path.join(scratch, 'old'), 0, 0);
  await store(1);
  await exported();
  expect(await seqs()).toEqual([1, 2]);
  await removeAbandoned(dir);
  expect(await readdir(scratch)).toEqual(['new']);
});

const withManager = async (
  work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<unknown>,
): Promise<void> => {
  const raw = await rawConnect({ servers: testServers().natsUrl.split(',') });
  await work(await jetstreamManager(raw));
  await raw.close();
};
