import { Fact, FactBatch } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { expect, it } from 'vitest';
import { Chunks } from '../src/chunks.js';

const MIDNIGHT = Date.UTC(2026, 0, 3);
const what = { $case: 'announced' as const, value: { recipients: 1, offline: 0 } };
const payload = FactBatch.encode({ origin: 'router-0', facts: [Fact.create({ what })], dropped: 0 }).finish();

it('a chunk is of one day, begins where the one before has ended, and counts what is no record', () => {
  const chunks = new Chunks({ streamMadeAt: 1, fromSeq: 5, key: 'key' });
  // 5 and 6 are gone.
  chunks.add({ seq: 7, storedAt: MIDNIGHT - 2, payload });
  chunks.add({ seq: 8, storedAt: MIDNIGHT - 1, payload: Buffer.from('no record') });
  chunks.add({ seq: 9, storedAt: MIDNIGHT, payload });
  chunks.add({ seq: 11, storedAt: MIDNIGHT + 1, payload });
  expect(chunks.all()).toMatchObject([
    { streamMadeAt: 1, fromSeq: 5, lastSeq: 8, day: '2026-01-02', rows: [{ record_seq: 7 }] },
    { streamMadeAt: 1, fromSeq: 9, lastSeq: 11, day: '2026-01-03', rows: [{ record_seq: 9 }, { record_seq: 11 }] },
  ]);
  expect(chunks.unreadable).toBe(1);
});
