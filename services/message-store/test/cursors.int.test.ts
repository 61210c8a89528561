import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type { CursorRaise, RaiseCursorsResponse } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { errorInfo, statusOf } from '@godwit/rpc/rpc-error';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { deliveries, messages } from '../src/mongo/collections.js';
import { created, runStore, TestRouter, type RunningStore } from './harness.js';

const CALL = { deadlineMs: 5_000, idempotent: true, key: 'any', attemptMs: 2_000 };

describe('cursors', () => {
  let store: RunningStore;
  let router: TestRouter;

  beforeAll(async () => {
    store = await runStore({ namespace: uniqueNamespace(), mongoUrl: testServers().mongoUrl });
    router = await new TestRouter('router-0', [store]).connected();
  });
  afterAll(async () => {
    router.close();
    await store.life.stop();
  });
  afterEach(() => {
    store.watch.assertTargeted();
  });

  const filled = async (count: number): Promise<string> => {
    const conversationId = groupConversation(newId());
    await router.append(created(conversationId));
    await Promise.all(router.appendAll(Array.from({ length: count - 1 }, () => ({ conversationId }))));
    return conversationId;
  };
  const raise = (...raises: Partial<CursorRaise>[]): Promise<RaiseCursorsResponse> => {
    const filledIn = raises.map((one) => {
      return { conversationId: '', userId: '', deviceId: '', deliveredSeq: 0, readSeq: 0, ...one };
    });
    return router.pool.callOwner('raiseCursors', { raises: filledIn }, CALL);
  };

  it('moves marks forward only, tells what moved, and keeps devices apart', async () => {
    const conversationId = await filled(9);
    const [userId, phone, laptop] = [newId(), newId(), newId()];
    const first = await raise(
      { conversationId, userId, deviceId: phone, deliveredSeq: 4 },
      { conversationId, userId, deviceId: laptop, deliveredSeq: 7 },
      { conversationId, userId, readSeq: 3 },
    );
    expect(first.moves).toEqual([
      {
        mark: { conversationId, userId, deliveredSeq: 7, readSeq: 3 },
        previousDeliveredSeq: 0,
        previousReadSeq: 0,
      },
    ]);
    const lower = await raise({ conversationId, userId, deviceId: phone, deliveredSeq: 6, readSeq: 2 });
    expect(lower).toEqual({ moves: [], aboveHead: [] });
    const document = await deliveries.in(store.mongo.db).findOne({ conversationId, userId });
    expect(document).toMatchObject({ delivered: { [phone]: 6, [laptop]: 7 }, high: 7, read: 3 });
    const asked = { conversationId, userIds: [userId, newId()] };
    const { members } = await router.pool.callOwner('getMemberCursors', asked, CALL);
    expect(members).toMatchObject([{ userId, readSeq: 3 }]);
    expect(new Map(members[0]?.devices.map((one) => [one.deviceId, one.deliveredSeq]))).toEqual(
      new Map([
        [phone, 6],
        [laptop, 7],
      ]),
    );
    const read = await raise({ conversationId, userId, readSeq: 9 });
    expect(read.moves).toMatchObject([
      { mark: { deliveredSeq: 9, readSeq: 9 }, previousDeliveredSeq: 7, previousReadSeq: 3 },
    ]);
  });

  it('refuses what is above the head, by position, and takes the rest', async () => {
    const conversationId = await filled(3);
    const [userId, deviceId] = [newId(), newId()];
    const { moves, aboveHead } = await raise(
      { conversationId, userId, deviceId, deliveredSeq: 4 },
      { conversationId, userId, deviceId, deliveredSeq: 2 },
      { conversationId: groupConversation(newId()), userId, deviceId, deliveredSeq: 1 },
    );
    expect(aboveHead).toEqual([0, 2]);
    expect(moves).toMatchObject([{ mark: { deliveredSeq: 2 } }]);
  });

  it('merges raises that come together into one write', async () => {
    const conversationId = await filled(50);
    const userId = newId();
    const deviceId = newId();
    let writes = 0;
    store.mongo.client.on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'update' && command['update'] === 'deliveries') writes++;
    });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => raise({ conversationId, userId, deviceId, deliveredSeq: index + 1 })),
    );
    expect(writes).toBeLessThanOrEqual(2);
    expect(await deliveries.in(store.mongo.db).findOne({ conversationId, userId })).toMatchObject({ high: 50 });
  });

  it('starts a device at what was stored before it was registered, or at the given start', async () => {
    const conversationId = await filled(6);
    const collection = messages.in(store.mongo.db);
    for (const [seq, serverTime] of [100_000, 200_000, 300_000, 400_000, 500_000, 600_000].entries()) {
      await collection.updateOne({ conversationId, seq: seq + 1 }, { $set: { serverTime: new Date(serverTime) } });
    }
    const userId = newId();
    const cursor = async (deviceSinceMs: number, startSeq: number, deviceId = newId()) => {
      const request = { userId, deviceId, deviceSinceMs, conversations: [{ conversationId, startSeq }] };
      const { cursors } = await router.pool.callOwner('getCursors', request, CALL);
      return cursors[0];
    };
    // A minute earlier than it says: clocks may differ.
    expect(await cursor(360_001, 0)).toEqual({ conversationId, seq: 3, created: true });
    expect(await cursor(360_000, 0)).toMatchObject({ seq: 2 });
    expect(await cursor(360_001, 5)).toMatchObject({ seq: 5 });
    expect(await cursor(0, 1)).toMatchObject({ seq: 1 });
    expect(await cursor(Date.now() + 100_000, 0)).toMatchObject({ seq: 6 });
    const device = newId();
    expect(await cursor(0, 2, device)).toMatchObject({ seq: 2, created: true });
    expect(await cursor(Date.now(), 5, device)).toMatchObject({ seq: 2, created: false });
    await raise({ conversationId, userId, deviceId: device, deliveredSeq: 4 });
    expect(await cursor(0, 0, device)).toMatchObject({ seq: 4, created: false });
  });

  it('tells cursors of many devices at once as it tells those of one', async () => {
    const [one, two] = [await filled(6), await filled(3)];
    const [userA, userB, phone, laptop] = [newId(), newId(), newId(), newId()];
    await raise(
      { conversationId: one, userId: userA, deviceId: phone, deliveredSeq: 4 },
      { conversationId: one, userId: userB, deviceId: laptop, deliveredSeq: 5 },
    );
    const at = (conversationId: string, startSeq: number) => ({ conversationId, startSeq });
    const { devices } = await router.pool.callOwner(
      'getCursorsOfDevices',
      {
        devices: [
          { userId: userA, deviceId: phone, deviceSinceMs: 0, conversations: [at(one, 1), at(two, 2)] },
          { userId: userA, deviceId: newId(), deviceSinceMs: 0, conversations: [at(one, 1)] },
          { userId: userB, deviceId: laptop, deviceSinceMs: 0, conversations: [at(two, 0), at(one, 0)] },
          { userId: newId(), deviceId: newId(), deviceSinceMs: 0, conversations: [] },
        ],
      },
      CALL,
    );
    expect(devices.map(({ cursors }) => cursors)).toEqual([
      [
        { conversationId: one, seq: 4, created: false },
        { conversationId: two, seq: 2, created: true },
      ],
      [{ conversationId: one, seq: 1, created: true }],
      [
        { conversationId: two, seq: 0, created: true },
        { conversationId: one, seq: 5, created: false },
      ],
      [],
    ]);
  });

  it('makes no mark of a start: the device has nothing yet', async () => {
    const conversationId = await filled(5);
    const userId = newId();
    const request = {
      userId,
      deviceId: newId(),
      deviceSinceMs: Date.now() + 100_000,
      conversations: [{ conversationId, startSeq: 0 }],
    };
    await router.pool.callOwner('getCursors', request, CALL);
    const marks = {
      conversationIds: [conversationId],
      userIds: [userId],
      changedSinceMs: 0,
      pageSize: 0,
      pageToken: '',
    };
    expect((await router.pool.callOwner('getMarks', marks, CALL)).marks).toMatchObject([
      { deliveredSeq: 0, readSeq: 0 },
    ]);
  });

  it('pages marks by conversation and user, and finds those that changed', async () => {
    const ids = [await filled(4), await filled(4)].sort();
    const users = Array.from({ length: 5 }, () => newId()).sort();
    const all = ids.flatMap((conversationId) => users.map((userId) => ({ conversationId, userId })));
    await raise(...all.map((member) => ({ ...member, deviceId: newId(), deliveredSeq: 2 })));
    const got: { conversationId: string; userId: string }[] = [];
    for (let pageToken: string | undefined = ''; pageToken !== undefined;) {
      const request = { conversationIds: ids, userIds: [], changedSinceMs: 0, pageSize: 3, pageToken };
      const page: { marks: typeof got; nextPageToken: string } = await router.pool.callOwner('getMarks', request, CALL);
      expect(page.marks.length).toBeLessThanOrEqual(3);
      got.push(...page.marks.map(({ conversationId, userId }) => ({ conversationId, userId })));
      pageToken = page.nextPageToken === '' ? undefined : page.nextPageToken;
    }
    expect(got).toEqual(all);
    const since = Date.now();
    await raise({ conversationId: ids[1] ?? '', userId: users[2] ?? '', deviceId: newId(), deliveredSeq: 3 });
    const request = { conversationIds: ids, userIds: [], changedSinceMs: since, pageSize: 0, pageToken: '' };
    const changed = await router.pool.callOwner('getMarks', request, CALL);
    // Half a minute more than was asked for is told too; what is older is not.
    expect(changed.marks).toContainEqual(
      expect.objectContaining({ conversationId: ids[1], userId: users[2], deliveredSeq: 3 }),
    );
    const later = await router.pool.callOwner('getMarks', { ...request, changedSinceMs: since + 60_000 }, CALL);
    expect(later.marks).toEqual([]);
  });

  it('refuses bad ids by name', async () => {
    const conversationId = groupConversation(newId());
    const failure: unknown = await raise({ conversationId, userId: newId(), deviceId: 'a.b', deliveredSeq: 1 }).catch(
      (error: unknown) => error,
    );
    expect(statusOf(failure)).toBe(3);
    expect(errorInfo(failure)?.field).toBe('raises.device_id');
  });
});
