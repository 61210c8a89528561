import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Fact, FactBatch } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { askFacts, sampleQuery } from '@godwit/testkit/fact-table';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FACT_COLUMNS } from '../src/columns.js';
import { addChunk } from '../src/fact-files.js';
import { rowsOf } from '../src/fact-rows.js';
import { pseudonyms } from '../src/pseudonyms.js';

const KEY = 'key-of-this-test';
const DAY = Date.UTC(2026, 0, 2);
const fact = (user: string, seq: number, what: NonNullable<Fact['what']>): Fact =>
  Fact.create({ timeMs: DAY + 100 * seq, conversationId: 'g:birds', userId: user, seq, what });
const accepted = (kind: number, duplicate = false): NonNullable<Fact['what']> => ({
  $case: 'accepted',
  value: { kind, payloadBytes: 40, ackMs: 3, serverTimeMs: DAY, duplicate },
});
const FACTS = [
  fact('alice', 1, accepted(1)),
  fact('alice', 1, accepted(1, true)),
  fact('alice', 2, accepted(1)),
  fact('bob', 3, accepted(8)),
  fact('carol', 3, { $case: 'readUpTo', value: { sentTimeMs: 0 } }),
  fact('bob', 1, { $case: 'deliveredTo', value: { sentTimeMs: DAY + 90 } }),
  fact('bob', 2, { $case: 'deliveredTo', value: { sentTimeMs: DAY + 150 } }),
  fact('bob', 2, { $case: 'deliveredTo', value: { sentTimeMs: 0 } }),
  fact('alice', 0, { $case: 'sendRefused', value: { reason: 'RATE_LIMITED', kind: 1 } }),
  fact('carol', 1, { $case: 'pushed', value: { provider: 'log', outcome: 'SENT', detail: 'to +12025550101' } }),
  fact('carol', 2, { $case: 'pushed', value: { provider: 'log', outcome: 'FAILED', detail: '' } }),
];

describe('the table of facts, in DuckDB', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'godwit-analytics-'));
    const batch = FactBatch.create({ origin: 'router-0', facts: FACTS });
    const rows = rowsOf({ seq: 7, storedAt: DAY, batch }, pseudonyms(KEY));
    await addChunk(dir, { streamMadeAt: DAY, fromSeq: 1, lastSeq: 7, day: '2026-01-02', rows });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const ask = (sql: string) => askFacts(dir, sql);
  const query = (name: string) => sampleQuery(dir, name);

  it('has its columns, a row a fact, pseudonyms for ids and no word of a provider', async () => {
    const columns = await ask("SELECT column_name FROM (DESCRIBE facts) WHERE column_name <> 'dt'");
    expect(columns).toEqual(FACT_COLUMNS.map(({ name }) => ({ column_name: name })));
    const all = JSON.stringify(await ask('FROM facts'));
    expect(all).toContain(pseudonyms(KEY)('alice'));
    for (const secret of ['alice', 'bob', 'g:birds', '2025550101']) expect(all).not.toContain(secret);
    expect(await ask('SELECT count(DISTINCT (record_seq, record_row)) AS n FROM facts')).toEqual([
      { n: String(FACTS.length) },
    ]);
  });

  it('answers the sample queries', async () => {
    expect(await query('daily-active-users')).toEqual([{ day: '2026-01-02', users: '3' }]);
    expect(await query('messages-by-type')).toEqual([
      { kind: 'text', messages: '2' },
      { kind: 'reaction', messages: '1' },
    ]);
    expect(await query('delivery-percentiles')).toEqual([{ deliveries: '2', p50_ms: '10', p99_ms: '50' }]);
    expect(await query('top-errors')).toEqual([{ reason: 'RATE_LIMITED', refusals: '1' }]);
    expect(await query('push-success')).toEqual([{ provider: 'log', sent: '1', asked: '2' }]);
  });
});
