import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GONE, KIND, type LoggedMessage } from '../src/domain/message.js';
import type { ConversationRecord, LogReader } from '../src/domain/message-log.js';
import { LogHole, readMessages, type ReadRequest, type ReadResult } from '../src/domain/read-messages.js';
import { TRANSIENT } from '../src/domain/retention.js';

type State = 'here' | 'tombstone' | 'purged' | 'skipped';

/** Each skipped seq as a gap of its own, as after several restores. */
const gapsIn = (states: readonly State[]): { fromSeq: number; toSeq: number }[] =>
  states.flatMap((state, index) => (state === 'skipped' ? [{ fromSeq: index + 1, toSeq: index + 1 }] : []));

/** A log of which everything purged is at or below the floor. */
const logOf = (states: readonly State[], floorSeq: number, expiredSeq = 0): LogReader => {
  const documents = states.flatMap((state, index): LoggedMessage[] => {
    const seq = index + 1;
    if (state === 'purged' || state === 'skipped') return [];
    return [
      {
        conversationId: 'c',
        seq,
        serverTimeMs: 1_000 * Math.ceil(seq / 3),
        senderUserId: 'u',
        senderDeviceId: 'd',
        kind: KIND.text,
        membershipVersion: 1,
        expiresAtMs: 0,
        envelope: state === 'here' ? new Uint8Array(10) : undefined,
        gone: state === 'here' ? undefined : GONE.delivered,
      },
    ];
  });
  const record: ConversationRecord = {
    headSeq: 0,
    membershipVersion: 1,
    serverTimeMs: 0,
    floorSeq,
    purgeSeq: floorSeq,
    expiredSeq,
    skipped: gapsIn(states),
    retention: TRANSIENT,
  };
  return {
    conversation: () => Promise.resolve({ ...record, headSeq: states.length }),
    newest: () => Promise.resolve(documents.at(-1)),
    firstSince: (_, timeMs) => Promise.resolve(documents.find(({ serverTimeMs }) => serverTimeMs >= timeMs)?.seq),
    scan: async function* ({ fromSeq, toSeq, newestFirst }) {
      const found = documents.filter(({ seq }) => seq >= fromSeq && seq <= toSeq);
      yield* newestFirst ? found.reverse() : found;
    },
    membershipAfter: () => Promise.resolve([]),
    message: () => Promise.resolve(undefined),
  };
};

const request = (fields: Partial<ReadRequest>): ReadRequest => ({
  conversationId: 'c',
  afterSeq: 0,
  beforeSeq: 0,
  fromMs: 0,
  toMs: 0,
  limit: 512,
  newestFirst: false,
  ...fields,
});

const seqsCovered = ({ messages, gone }: ReadResult): number[] =>
  [
    ...messages.map(({ seq }) => seq),
    ...gone.flatMap(({ fromSeq, toSeq }) => Array.from({ length: toSeq - fromSeq + 1 }, (_, index) => fromSeq + index)),
  ].sort((a, b) => a - b);

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(to - from + 1, 0) }, (_, i) => from + i);

describe('readMessages', () => {
  it('covers every seq of its range exactly once, in either direction, page by page', async () => {
    const state = fc.constantFrom<State>('here', 'tombstone', 'purged');
    await fc.assert(
      fc.asyncProperty(
        fc.array(state, { maxLength: 30 }),
        fc.array(fc.constantFrom<State>('here', 'tombstone', 'skipped'), { maxLength: 30 }),
        fc.record({
          afterSeq: fc.nat(20),
          beforeSeq: fc.nat(70),
          limit: fc.integer({ min: 1, max: 9 }),
          newestFirst: fc.boolean(),
        }),
        async (below, above, fields) => {
          const log = logOf([...below.map((one) => (one === 'here' ? 'tombstone' : one)), ...above], below.length, 5);
          const head = below.length + above.length;
          let { afterSeq, beforeSeq } = fields;
          const covered: number[] = [];
          for (let pages = 0; ; pages++) {
            const result = await readMessages(log, request({ ...fields, afterSeq, beforeSeq }));
            expect(seqsCovered(result)).toEqual(range(result.coveredFromSeq, result.coveredToSeq));
            expect(result.messages.length).toBeLessThanOrEqual(fields.limit);
            covered.push(...seqsCovered(result));
            if (!result.more) break;
            expect(result.coveredToSeq).toBeGreaterThanOrEqual(result.coveredFromSeq);
            if (fields.newestFirst) beforeSeq = result.coveredFromSeq;
            else afterSeq = result.coveredToSeq;
            expect(pages).toBeLessThan(100);
          }
          const last = fields.beforeSeq > 0 ? Math.min(fields.beforeSeq - 1, head) : head;
          expect(covered.sort((a, b) => a - b)).toEqual(range(fields.afterSeq + 1, last));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('tells what a restore passed over as expired, however much it is', async () => {
    const log = logOf(['here'], 0);
    const gap = { fromSeq: 2, toSeq: 9_000_000_000 };
    const record: LogReader['conversation'] = async (id) => {
      const of = await log.conversation(id);
      return of && { ...of, headSeq: gap.toSeq, expiredSeq: gap.toSeq, skipped: [gap] };
    };
    const { messages, ...answer } = await readMessages({ ...log, conversation: record }, request({}));
    expect(messages).toHaveLength(1);
    expect(answer).toMatchObject({ gone: [{ ...gap, reason: GONE.expired }], coveredToSeq: gap.toSeq, more: false });
  });

  it('throws at a hole above the floor', async () => {
    const log = logOf(['here', 'purged', 'here'], 0);
    await expect(readMessages(log, request({}))).rejects.toBeInstanceOf(LogHole);
    await expect(readMessages(log, request({ newestFirst: true }))).rejects.toBeInstanceOf(LogHole);
    expect((await readMessages(log, request({ afterSeq: 2 }))).messages).toHaveLength(1);
  });

  it('looks at the floor again before it calls something a hole', async () => {
    const [before, after] = [logOf(['here', 'purged', 'here'], 0), logOf(['tombstone', 'purged', 'here'], 2)];
    let looks = 0;
    const log: LogReader = { ...after, conversation: (id) => (looks++ === 0 ? before : after).conversation(id) };
    expect((await readMessages(log, request({}))).gone).toEqual([{ fromSeq: 1, toSeq: 2, reason: GONE.delivered }]);
  });
});
