import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GONE, KIND } from '../src/domain/message.js';
import { planReaping, type ReapableMessage, type ReapInput, type ReapMember } from '../src/domain/plan-reaping.js';
import { DAY_MS, TRANSIENT } from '../src/domain/retention.js';

const NOW = 100 * DAY_MS;

const message = (seq: number, fields: Partial<ReapableMessage> = {}): ReapableMessage => ({
  seq,
  senderUserId: 'a',
  senderDeviceId: 'a1',
  kind: KIND.text,
  serverTimeMs: NOW - 1_000 + seq,
  expiresAtMs: NOW + DAY_MS,
  expiryChosen: false,
  gone: undefined,
  ...fields,
});

const member = (
  userId: string,
  cursors: Record<string, number | undefined>,
  fields: Partial<ReapMember> = {},
): ReapMember => ({
  userId,
  intervals: [{ fromSeq: 1, toSeq: 0 }],
  devices: Object.keys(cursors).map((deviceId) => ({ deviceId, registeredAtMs: 0 })),
  cursors: {
    conversationId: 'c',
    userId,
    delivered: new Map(Object.entries(cursors).flatMap(([id, seq]) => (seq === undefined ? [] : [[id, seq]]))),
    highSeq: Math.max(0, ...Object.values(cursors).map((seq) => seq ?? 0)),
    readSeq: 0,
  },
  ...fields,
});

const input = (fields: Partial<ReapInput>): ReapInput => ({
  messages: [1, 2, 3, 4].map((seq) => message(seq)),
  floorSeq: 0,
  members: [],
  membershipVersion: 1,
  retention: TRANSIENT,
  now: NOW,
  ...fields,
});

describe('planReaping', () => {
  it('counts every device of every member, and own messages directly above the cursor', () => {
    const members = [member('a', { a1: 0 }), member('b', { b1: 4, b2: 3 })];
    expect(planReaping(input({ members }))).toMatchObject({ delivered: [1, 2, 3], floorSeq: 3 });
  });

  it('holds for a registered device without a cursor, but only what was stored since', () => {
    const old = member('b', { b1: 4 });
    const newcomer = { deviceId: 'b2', registeredAtMs: NOW - 1_000 + 3 + 60_000 };
    const members = [member('a', { a1: 4 }), { ...old, devices: [...(old.devices ?? []), newcomer] }];
    expect(planReaping(input({ members }))).toMatchObject({ delivered: [1, 2], floorSeq: 2 });
  });

  it('does not wait for a device that was removed or a user that is gone, but for a member without a device', () => {
    const removed = member('b', { b1: 4, b2: 1 }, { devices: [{ deviceId: 'b1', registeredAtMs: 0 }] });
    const gone = member('c', {}, { devices: undefined });
    expect(planReaping(input({ members: [removed, gone] })).floorSeq).toBe(4);
    expect(planReaping(input({ members: [removed, member('d', {})] })).floorSeq).toBe(0);
  });

  it('counts a leaver up to leaving and a newcomer from joining', () => {
    const leaver = member('b', { b1: 2 }, { intervals: [{ fromSeq: 1, toSeq: 2 }] });
    const newcomer = member('c', { c1: 3 }, { intervals: [{ fromSeq: 3, toSeq: 0 }] });
    expect(planReaping(input({ members: [leaver, newcomer] }))).toMatchObject({ delivered: [1, 2, 3], floorSeq: 3 });
  });

  it('keeps membership changes until they are projected', () => {
    const messages = [message(1), message(2, { kind: KIND.membership }), message(3)];
    const members = [member('a', { a1: 3 })];
    expect(planReaping(input({ messages, members, membershipVersion: 1 }))).toMatchObject({
      delivered: [1, 3],
      floorSeq: 1,
    });
    expect(planReaping(input({ messages, members, membershipVersion: 2 })).floorSeq).toBe(3);
  });

  it('tells the sender only of what some member has on no device', () => {
    const messages = [1, 2, 3].map((seq) => message(seq, { expiresAtMs: NOW }));
    const members = [member('a', { a1: 3 }), member('b', { b1: 1, b2: 2 })];
    expect(planReaping(input({ messages, members }))).toEqual({
      delivered: [1],
      expired: [2, 3],
      floorSeq: 3,
      expiredSeq: 3,
      unseen: [{ fromSeq: 3, toSeq: 3, senderUserId: 'a' }],
    });
  });

  it('keeps history whoever has it, but not beyond an expiry that the sender chose', () => {
    const old = { serverTimeMs: NOW - 3 * DAY_MS, expiresAtMs: NOW - DAY_MS };
    const messages = [message(1, { ...old, expiryChosen: true }), message(2, old), message(3)];
    const members = [member('b', { b1: 3 })];
    const kept = planReaping(input({ messages, members, retention: { historyDays: 4, expireAfterSeconds: 0 } }));
    expect(kept).toMatchObject({ delivered: [1], expired: [], floorSeq: 1 });
    const over = planReaping(input({ messages, members, retention: { historyDays: 3, expireAfterSeconds: 0 } }));
    expect(over).toMatchObject({ delivered: [1, 2], floorSeq: 2 });
  });

  it('ends messages of too many members by expiry only', () => {
    const messages = [message(1, { expiresAtMs: NOW }), message(2)];
    expect(planReaping(input({ messages, members: undefined }))).toMatchObject({
      delivered: [],
      expired: [1],
      floorSeq: 1,
      expiredSeq: 1,
      unseen: [],
    });
  });

  it('never ends what a device of a member has not acked and that has not expired', () => {
    const cursor = fc.option(fc.nat(12), { nil: undefined });
    const arbitraryMember = fc.record({
      cursors: fc.array(cursor, { maxLength: 3 }),
      from: fc.integer({ min: 1, max: 8 }),
      to: fc.integer({ min: 0, max: 12 }),
    });
    const arbitraryMessage = fc.record({ sender: fc.nat(4), expired: fc.boolean(), gone: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(arbitraryMember, { minLength: 1, maxLength: 4 }),
        fc.array(arbitraryMessage, { maxLength: 12 }),
        (someMembers, someMessages) => {
          const members = someMembers.map(({ cursors, from, to }, index) => {
            const named = Object.fromEntries(cursors.map((seq, device) => [`${index}.${device}`, seq]));
            return member(String(index), named, { intervals: [{ fromSeq: from, toSeq: to }] });
          });
          const messages = someMessages.map(({ sender, expired, gone }, index) =>
            message(index + 1, {
              senderUserId: String(sender),
              senderDeviceId: `${sender}.0`,
              ...(expired ? { expiresAtMs: NOW } : {}),
              ...(gone ? { gone: GONE.deleted } : {}),
            }),
          );
          const plan = planReaping(input({ members, messages }));
          for (const { seq, senderDeviceId } of messages.filter(({ seq }) => plan.delivered.includes(seq))) {
            for (const { intervals, devices = [], cursors } of members) {
              const isFor = intervals.some(({ fromSeq, toSeq }) => fromSeq <= seq && (toSeq === 0 || seq <= toSeq));
              if (!isFor) continue;
              expect(devices.length).toBeGreaterThan(0);
              for (const { deviceId } of devices) {
                const acked = (cursors?.delivered.get(deviceId) ?? 0) >= seq;
                expect(acked || senderDeviceId === deviceId).toBe(true);
              }
            }
          }
          const ended = new Set([...plan.delivered, ...plan.expired]);
          for (const { seq, gone } of messages)
            if (seq <= plan.floorSeq) expect(ended.has(seq) || gone !== undefined).toBe(true);
          for (const seq of plan.expired) expect(messages[seq - 1]?.expiresAtMs).toBe(NOW);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
