import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { systemClock } from '@godwit/runtime/clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConversationView, Member } from '../src/domain/conversation.js';
import { Cursors } from '../src/domain/cursors.js';
import { contains, isOpen, type Interval } from '../src/domain/intervals.js';
import { GONE } from '../src/domain/kind.js';
import { Relations } from '../src/domain/relations.js';
import type { ConversationSource } from '../src/domain/ports.js';
import { planSync } from '../src/domain/sync-plan.js';
import { SyncQuestions } from '../src/domain/sync-questions.js';
import { SyncSession, type SyncSink } from '../src/domain/sync-session.js';
import { intervals } from './support/arbitrary-intervals.js';
import { MemoryLog } from './support/memory-log.js';
import { memoryDevices, MemoryRelations } from './support/memory-world.js';

const VERSION = 7;
const user = newId();
const device = newId();

interface Case {
  readonly id: string;
  readonly times: readonly Interval[];
  readonly head: number;
  readonly given: number | undefined;
  readonly stored: number;
  readonly gone: ReadonlySet<number>;
  /** `group` has not applied the last change yet: it says that the user is still a member. */
  readonly behind: boolean;
}

const conversation = fc
  .record({
    id: fc.constant(undefined).map(() => groupConversation(newId())),
    times: intervals.filter(({ length }) => length > 0),
    atLeast: fc.integer({ min: 0, max: 40 }),
    given: fc.option(fc.integer({ min: 0, max: 45 }), { nil: undefined }),
    stored: fc.integer({ min: 0, max: 40 }),
    gone: fc.uniqueArray(fc.integer({ min: 1, max: 40 })).map((seqs) => new Set(seqs)),
    behind: fc.boolean(),
  })
  .map(({ atLeast, stored, ...rest }): Case => {
    const head = Math.max(atLeast, ...rest.times.map(({ from, to }) => (to === Infinity ? from : to)));
    return { ...rest, head, stored: Math.min(stored, head) };
  });

const stillIn = (times: readonly Interval[]): Interval[] =>
  times.map((time, index) => (index === times.length - 1 ? { ...time, to: Infinity } : time));

const viewOf = (cases: readonly Case[], conversationId: string, version: number): ConversationView => {
  const times = cases.find(({ id }) => id === conversationId)?.times ?? [];
  const member: Member = { role: 'member', intervals: [...times], mutedUntilMs: 0 };
  return { conversationId, version, whoMaySend: 'everyone', memberCount: 9, members: new Map([[user, member]]) };
};

const logOf = (cases: readonly Case[]): MemoryLog => {
  const log = new MemoryLog();
  for (const { id, head, gone, stored } of cases) {
    const { rows } = Object.assign(log.log(id), { version: VERSION });
    for (let seq = 1; seq <= head; seq++) {
      rows.push({
        conversationId: id,
        seq,
        serverTimeMs: seq,
        senderUserId: 'a',
        senderDeviceId: '',
        kind: 1,
        membershipVersion: VERSION,
        envelope: new Uint8Array([seq]),
        clientMessageId: String(seq),
        bodyHash: new Uint8Array(),
        node: 'store-0',
        gone: gone.has(seq) ? GONE.expired : 0,
      });
    }
    log.cursorsOf.set(`${id} ${user} ${device}`, stored);
  }
  return log;
};

interface Told {
  seen: number;
  shown: number[];
}

/** A device that follows docs/protocol.md: everything in order, nothing twice, no gap. */
class Device {
  readonly told = new Map<string, Told>();
  readonly errors: string[] = [];
  ended: 'done' | 'failed' | undefined;
  inFlight = 0;
  most = 0;
  #grant: (messages: number) => void = () => undefined;

  constructor(cases: readonly Case[]) {
    for (const { id, given } of cases) if (given !== undefined) this.told.set(id, { seen: given, shown: [] });
  }

  grantsBy(grant: (messages: number) => void): void {
    this.#grant = grant;
  }

  sink(): SyncSink {
    return {
      isBacklogged: () => false,
      position: (id, cursorSeq) => {
        const known = this.told.get(id);
        if (known === undefined) this.told.set(id, { seen: cursorSeq, shown: [] });
        else known.seen = cursorSeq;
      },
      message: ({ conversationId, seq }) => {
        const told = this.#of(conversationId);
        expect(seq).toBe(told.seen + 1);
        told.seen = seq;
        told.shown.push(seq);
        this.inFlight++;
        this.most = Math.max(this.most, this.inFlight);
        setImmediate(() => {
          this.inFlight--;
          this.#grant(1);
        });
      },
      gone: (conversationId, { fromSeq, toSeq }) => {
        const told = this.#of(conversationId);
        expect(fromSeq).toBe(told.seen + 1);
        told.seen = toSeq;
      },
      receipt: () => undefined,
      error: (conversationId) => {
        this.errors.push(conversationId);
      },
      done: () => {
        this.ended = 'done';
      },
      failed: () => {
        this.ended = 'failed';
      },
    };
  }

  #of(id: string): Told {
    const told = this.told.get(id);
    if (told === undefined) throw new Error('told of a conversation without a position');
    return told;
  }
}

describe('a sync', () => {
  it('brings every device to every head, without gaps, in order, within its credit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(conversation, { maxLength: 6 }), async (cases) => {
        const log = logOf(cases);
        const device_ = new Device(cases);
        const cursors = new Cursors({
          log,
          intervalMs: 1_000,
          maxCursors: 100,
          onMoves: () => undefined,
          onAboveHead: () => undefined,
          onDropped: () => undefined,
        });
        const given = new Map(cases.flatMap((one) => (one.given === undefined ? [] : [[one.id, one.given] as const])));
        const ofUser = cases.map(({ id, times, behind }) => ({
          conversationId: id,
          intervals: behind ? stillIn(times) : times,
          memberCount: 9,
          version: behind ? VERSION - 1 : VERSION,
        }));
        const conversations: ConversationSource = {
          ofUser: () => Promise.resolve({ conversations: ofUser, nextPageToken: '' }),
          ofUsers: (userIds) => Promise.resolve(new Map(userIds.map((userId) => [userId, ofUser]))),
          load: (id, { minVersion }) => Promise.resolve({ found: true, view: viewOf(cases, id, minVersion) }),
        };
        const session = new SyncSession(
          {
            questions: new SyncQuestions({ log, conversations, devices: memoryDevices }),
            conversations,
            relations: new Relations(new MemoryRelations(), systemClock),
            cursors,
            clock: systemClock,
            paced: (work) => work(),
            onFailed: (error) => {
              throw error;
            },
          },
          { userId: user, deviceId: device, cursors: given, marksSinceMs: 0, recheck: false },
          device_.sink(),
        );
        device_.grantsBy((messages) => {
          session.grant(messages);
        });
        await session.run();
        await cursors.stop();
        expect(device_.ended).toBe('done');
        expect(device_.most).toBeLessThanOrEqual(256);
        for (const one of cases) check(one, device_);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it('is silent of left conversations without news, and of all without news in a recheck', () => {
    const facts = {
      conversation: { conversationId: 'g', intervals: [{ from: 1, to: 4 }], memberCount: 2, version: 1 },
      head: { conversationId: 'g', headSeq: 9, floorSeq: 0, membershipVersion: 1, expiredSeq: 0 },
      stored: 4,
      given: undefined,
      recheck: false,
    };
    expect(planSync(facts)).toBeUndefined();
    const open = {
      ...facts,
      conversation: { ...facts.conversation, intervals: [{ from: 1, to: Infinity }] },
      stored: 9,
    };
    expect(planSync(open)).toMatchObject({ after: 9, upTo: 9, saysPosition: true });
    expect(planSync({ ...open, recheck: true })).toBeUndefined();
  });
});

const check = ({ id, times, head, given, stored, gone }: Case, { told, errors }: Device): void => {
  const above = given !== undefined && given > head;
  expect(errors.includes(id)).toBe(above);
  const start = Math.max(given === undefined || above ? stored : given, (times[0]?.from ?? 1) - 1);
  const end = isOpen(times) ? head : Math.min(head, times.at(-1)?.to ?? 0);
  const expected = [];
  for (let seq = start + 1; seq <= end; seq++) if (contains(times, seq) && !gone.has(seq)) expected.push(seq);
  expect(told.get(id)?.shown ?? []).toEqual(expected);
  if (end > start) expect(told.get(id)?.seen).toBe(end);
};
