import { newId } from '@godwit/ids/id';
import { groupConversation } from '@godwit/ids/conversation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, isOpen, lastVisible } from '../src/domain/intervals.js';
import { GONE } from '../src/domain/kind.js';
import type { LogPage } from '../src/domain/ports.js';
import { readVisible } from '../src/domain/read-visible.js';
import { intervals } from './support/arbitrary-intervals.js';
import { MemoryLog } from './support/memory-log.js';

const conversationId = groupConversation(newId());

const logOf = (head: number, expired: ReadonlySet<number>): MemoryLog => {
  const log = new MemoryLog();
  const { rows } = log.log(conversationId);
  for (let seq = 1; seq <= head; seq++) {
    rows.push({
      conversationId,
      seq,
      serverTimeMs: seq,
      senderUserId: 'a',
      senderDeviceId: '',
      kind: 1,
      membershipVersion: 1,
      envelope: new Uint8Array([seq]),
      clientMessageId: String(seq),
      bodyHash: new Uint8Array(),
      node: 'store-0',
      gone: expired.has(seq) ? GONE.expired : 0,
    });
  }
  return log;
};

const seqsOf = (page: LogPage): { told: Map<number, string>; twice: boolean } => {
  const told = new Map<number, string>();
  let twice = false;
  const tell = (seq: number, what: string): void => {
    twice ||= told.has(seq);
    told.set(seq, what);
  };
  for (const { seq } of page.messages) tell(seq, 'message');
  for (const { fromSeq, toSeq, reason } of page.gone) {
    for (let seq = fromSeq; seq <= toSeq; seq++) tell(seq, String(reason));
  }
  return { told, twice };
};

describe('reading as a user may see it', () => {
  const cases = fc.record({
    times: intervals.filter(({ length }) => length > 0),
    head: fc.integer({ min: 0, max: 40 }),
    expired: fc.uniqueArray(fc.integer({ min: 1, max: 40 })).map((seqs) => new Set(seqs)),
    afterSeq: fc.integer({ min: 0, max: 30 }),
    span: fc.option(fc.integer({ min: 1, max: 30 })),
    limit: fc.integer({ min: 1, max: 8 }),
    newestFirst: fc.boolean(),
  });

  it('covers every seq of the range exactly once over all pages, and shows only what is the user’s', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ times, head: atLeast, expired, afterSeq, span, limit, newestFirst }) => {
        // The log has all the changes of members that the intervals tell of.
        const changes = times.map(({ from, to }) => (to === Infinity ? from : to));
        const head = Math.max(atLeast, ...changes);
        const log = logOf(head, expired);
        const before = span === null ? 0 : afterSeq + span + 1;
        const range = { conversationId, fromMs: 0, toMs: 0, limit, newestFirst };
        const told = new Map<number, string>();
        let query = { ...range, afterSeq, beforeSeq: before };
        for (let pages = 0; ; pages++) {
          expect(pages).toBeLessThan(100);
          const page = await readVisible(log, query, times);
          const found = seqsOf(page);
          expect(found.twice).toBe(false);
          for (const [seq, what] of found.told) {
            expect(told.has(seq)).toBe(false);
            told.set(seq, what);
            expect(seq).toBeGreaterThanOrEqual(page.coveredFromSeq);
            expect(seq).toBeLessThanOrEqual(page.coveredToSeq);
          }
          expect(page.headSeq).toBeLessThanOrEqual(isOpen(times) ? head : lastVisible(times));
          if (!page.more) break;
          query = newestFirst
            ? { ...query, beforeSeq: page.coveredFromSeq }
            : { ...query, afterSeq: page.coveredToSeq };
        }
        const end = Math.min(before === 0 ? Math.min(head, lastVisible(times)) : before - 1, head);
        for (let seq = afterSeq + 1; seq <= end; seq++) {
          const expected = contains(times, seq) ? (expired.has(seq) ? String(GONE.expired) : 'message') : '4';
          expect(told.get(seq)).toBe(expected);
        }
        expect(told.size).toBe(Math.max(end - afterSeq, 0));
      }),
      { numRuns: 500 },
    );
  });
});
