import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GONE, KIND } from '../src/domain/message.js';
import type { Device } from '../src/domain/plan-reaping.js';
import type { ConversationMembers } from '../src/domain/reaper.js';
import { DAY_MS } from '../src/domain/retention.js';
import { conversations, deliveries, messages } from '../src/mongo/collections.js';
import { created, deviceA, runStore, seqOf, TestRouter, userA, type RunningStore } from './harness.js';

const CALL = { deadlineMs: 5_000, idempotent: true, key: 'any', attemptMs: 2_000 };

/** Wall clock that a test may move; time passes by itself. */
class MovableClock extends ManualClock {
  ahead = 0;
  override now(): number {
    return Date.now() + this.ahead;
  }
  override monotonic(): number {
    return performance.now();
  }
}

describe('the reaper', () => {
  const clock = new MovableClock();
  const groups = new Map<string, ConversationMembers>();
  const asked = new Map<string, number>();
  const devices = new Map<string, readonly Device[]>();
  let store: RunningStore;
  let router: TestRouter;
  const userB = newId();
  const deviceB = newId();

  beforeAll(async () => {
    store = await runStore({
      namespace: uniqueNamespace(),
      mongoUrl: testServers().mongoUrl,
      env: { GODWIT_REAPER_DELAY: '50ms', GODWIT_REAPER_PACE: '5ms', GODWIT_REAPER_ROUND: '300ms' },
      overrides: {
        clock,
        membership: {
          members: (conversationId, minVersion) => {
            asked.set(conversationId, Math.max(minVersion, asked.get(conversationId) ?? 0));
            const found = groups.get(conversationId);
            return found === undefined ? Promise.reject(new Error('unknown')) : Promise.resolve(found);
          },
        },
        devices: { devicesOf: () => Promise.resolve(devices) },
      },
    });
    router = await new TestRouter('router-0', [store]).connected();
  });
  afterAll(async () => {
    router.close();
    await store.life.stop();
  });
  afterEach(() => {
    clock.ahead = 0;
    store.watch.assertTargeted();
  });

  const begin = async (others = 3): Promise<string> => {
    const conversationId = groupConversation(newId());
    const intervals = [{ fromSeq: 1, toSeq: 0 }];
    groups.set(conversationId, {
      membershipVersion: 1,
      members: [
        { userId: userA, intervals },
        { userId: userB, intervals },
      ],
    });
    devices.set(userA, [{ deviceId: deviceA, registeredAtMs: 1 }]);
    devices.set(userB, [{ deviceId: deviceB, registeredAtMs: 1 }]);
    await router.append(created(conversationId));
    await Promise.all(router.appendAll(Array.from({ length: others }, () => ({ conversationId }))));
    return conversationId;
  };
  const raise = (conversationId: string, userId: string, deliveredSeq: number): Promise<unknown> => {
    const deviceId = userId === userA ? deviceA : deviceB;
    return router.pool.callOwner(
      'raiseCursors',
      { raises: [{ conversationId, userId, deviceId, deliveredSeq, readSeq: 0 }] },
      CALL,
    );
  };
  const stored = (conversationId: string) =>
    messages
      .in(store.mongo.db)
      .find({ conversationId }, { sort: { seq: 1 } })
      .toArray();
  const record = (conversationId: string) => conversations.in(store.mongo.db).findOne({ conversationId });

  it('removes payloads when every device has acked, and not before', async () => {
    const conversationId = await begin(3);
    await raise(conversationId, userA, 1);
    await raise(conversationId, userB, 2);
    // A's own messages above its cursor count as had. The tombstones get their end last.
    await waitFor(async () => (await record(conversationId))?.purgeSeq === 2);
    const documents = await stored(conversationId);
    expect(documents.map(({ envelope }) => envelope === undefined)).toEqual([true, true, false, false]);
    expect(documents.map(({ goneReason }) => goneReason)).toEqual([
      GONE.delivered,
      GONE.delivered,
      undefined,
      undefined,
    ]);
    const purges = documents.map(({ purgeAt, serverTime }) => purgeAt && purgeAt.getTime() - serverTime.getTime());
    expect(purges).toEqual([7 * DAY_MS, 7 * DAY_MS, undefined, undefined]);
    await waitFor(async () => (await record(conversationId))?.unreaped === true, { what: 'the raised head' });
    await raise(conversationId, userB, 4);
    await waitFor(async () => (await record(conversationId))?.unreaped === undefined);
    expect(await record(conversationId)).toMatchObject({ floorSeq: 4, headSeq: 4, purgeSeq: 4 });
  });

  it('ends the messages of many conversations with few commands', async () => {
    const ids = await Promise.all(Array.from({ length: 100 }, () => begin(2)));
    let commands = 0;
    store.mongo.client.on('commandStarted', () => {
      commands++;
    });
    await Promise.all(ids.flatMap((id) => [raise(id, userA, 3), raise(id, userB, 3)]));
    const reaped = () =>
      conversations.in(store.mongo.db).countDocuments({ conversationId: { $in: ids }, purgeSeq: 3, floorSeq: 3 });
    await waitFor(async () => (await reaped()) === ids.length, { timeoutMs: 10_000, what: 'all to be reaped' });
    // One by one it would be ten for each; these include what is asked here, heads, heartbeats and empty rounds.
    expect(commands).toBeLessThan(3 * ids.length);
    const documents = messages.in(store.mongo.db);
    expect(await documents.countDocuments({ conversationId: { $in: ids }, envelope: { $exists: true } })).toBe(0);
    expect(await documents.countDocuments({ conversationId: { $in: ids }, goneReason: GONE.delivered })).toBe(300);
  });

  it('asks for the members as of a change that is among the messages', async () => {
    const conversationId = await begin(1);
    const userC = newId();
    const intervals = [{ fromSeq: 1, toSeq: 0 }];
    const change = { conversationId, kind: KIND.membership, membershipVersion: 1, senderIsAdmin: true };
    expect(seqOf(await router.append({ ...change, clientMessageId: 'added' }))).toBe(3);
    asked.clear();
    devices.set(userC, [{ deviceId: newId(), registeredAtMs: 1 }]);
    groups.set(conversationId, {
      membershipVersion: 3,
      members: [
        { userId: userA, intervals },
        { userId: userB, intervals },
        { userId: userC, intervals: [{ fromSeq: 3, toSeq: 0 }] },
      ],
    });
    await raise(conversationId, userA, 3);
    await raise(conversationId, userB, 3);
    await waitFor(async () => (await record(conversationId))?.floorSeq === 2);
    expect(asked.get(conversationId)).toBe(3);
    expect((await stored(conversationId)).map(({ goneReason }) => goneReason)).toEqual([
      GONE.delivered,
      GONE.delivered,
      undefined,
    ]);
  });

  it('recognises a late retry by the tombstone', async () => {
    const conversationId = await begin(0);
    const item = { conversationId, clientMessageId: 'old' };
    await router.append(item);
    await raise(conversationId, userA, 1);
    await raise(conversationId, userB, 2);
    await waitFor(async () => (await record(conversationId))?.floorSeq === 2);
    expect(await router.append({ ...item, retry: true })).toMatchObject({
      $case: 'appended',
      value: { seq: 2, duplicate: true },
    });
  });

  it('gives up what expired, raises expiredSeq and tells the senders', async () => {
    const conversationId = await begin(2);
    await raise(conversationId, userB, 1);
    clock.ahead = 31 * DAY_MS;
    await waitFor(async () => (await record(conversationId))?.purgeSeq === 3);
    expect(await record(conversationId)).toMatchObject({ floorSeq: 3, expiredSeq: 3 });
    expect((await stored(conversationId)).map(({ goneReason }) => goneReason)).toEqual([
      GONE.delivered,
      GONE.expired,
      GONE.expired,
    ]);
    // What the tests before have left behind expires too.
    const told = () => router.expired.filter((notice) => notice.conversationId === conversationId);
    await waitFor(() => told().length > 0);
    expect(told()).toEqual([{ conversationId, fromSeq: 2, toSeq: 3, senderUserId: userA }]);
    const { heads } = await router.pool.callOwner('getHeads', { conversationIds: [conversationId] }, CALL);
    expect(heads).toMatchObject([{ floorSeq: 3, expiredSeq: 3 }]);
    const { serverTimeMs } = { serverTimeMs: (await stored(conversationId))[0]?.serverTime.getTime() ?? 0 };
    expect((await stored(conversationId))[0]?.purgeAt?.getTime()).toBeGreaterThanOrEqual(serverTimeMs + 7 * DAY_MS);
  });

  it('ends a message whose sender chose an early expiry, above others that stay', async () => {
    const conversationId = await begin(1);
    await router.append({ conversationId, expiresAtMs: Date.now() + 1_000 });
    await router.append({ conversationId });
    clock.ahead = 2_000;
    await raise(conversationId, userB, 1);
    await waitFor(async () => (await stored(conversationId))[2]?.goneReason === GONE.expired);
    await waitFor(async () => (await record(conversationId))?.floorSeq === 1);
    const documents = await stored(conversationId);
    expect(documents.map(({ envelope }) => envelope === undefined)).toEqual([true, false, true, false]);
    expect(documents[2]?.purgeAt).toBeUndefined();
  });

  it('keeps history for as long as the conversation is set to', async () => {
    const conversationId = await begin(1);
    await router.pool.callOwner('setRetention', { conversationId, historyDays: 2, expireAfterSeconds: 0 }, CALL);
    await router.append({ conversationId, clientMessageId: 'kept' });
    await raise(conversationId, userA, 3);
    await raise(conversationId, userB, 3);
    await store.reaper.reap(conversationId);
    expect((await stored(conversationId)).every(({ envelope }) => envelope !== undefined)).toBe(true);
    clock.ahead = 2 * DAY_MS + 1_000;
    await store.reaper.reap(conversationId);
    expect(await record(conversationId)).toMatchObject({ floorSeq: 3, expiredSeq: 0 });
  });

  it('finds what it has forgotten by going round all conversations with payloads', async () => {
    const conversationId = await begin(1);
    // Behind its back: no raise touches the conversation.
    const collection = deliveries.in(store.mongo.db);
    await collection.insertMany([
      { conversationId, userId: userA, delivered: { [deviceA]: 2 }, high: 2 },
      { conversationId, userId: userB, delivered: { [deviceB]: 2 }, high: 2 },
    ]);
    await waitFor(async () => (await record(conversationId))?.floorSeq === 2);
  });

  it('asks only about what group and account tell now, and holds when they do not answer', async () => {
    const conversationId = await begin(1);
    groups.delete(conversationId);
    await raise(conversationId, userA, 2);
    await raise(conversationId, userB, 2);
    await expect(store.reaper.reap(conversationId)).rejects.toThrow('unknown');
    expect((await record(conversationId))?.floorSeq ?? 0).toBe(0);
  });
});
