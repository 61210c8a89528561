import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type {
  GetMessagesRequest,
  GetMessagesResponse,
} from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { errorInfo, statusOf } from '@godwit/rpc/rpc-error';
import { deferred } from '@godwit/runtime/deferred';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GONE, KIND } from '../src/domain/message.js';
import type { LogReader } from '../src/domain/message-log.js';
import { conversations, messages } from '../src/mongo/collections.js';
import { created, runStore, seqOf, TestRouter, userA, type RunningStore } from './harness.js';

const CALL = { deadlineMs: 5_000, idempotent: true };

describe('reads', () => {
  const namespace = uniqueNamespace();
  let store: RunningStore;
  let router: TestRouter;

  beforeAll(async () => {
    store = await runStore({ namespace, mongoUrl: testServers().mongoUrl });
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

  const read = (conversationId: string, request: Partial<GetMessagesRequest> = {}): Promise<GetMessagesResponse> =>
    router.pool.callOwner(
      'getMessages',
      {
        conversationId,
        afterSeq: 0,
        beforeSeq: 0,
        fromMs: 0,
        toMs: 0,
        limit: 100,
        newestFirst: false,
        ...request,
      },
      { key: conversationId, ...CALL },
    );
  const seqsOf = ({ messages: found }: GetMessagesResponse): number[] => found.map(({ seq }) => seq);

  it('reads in both directions, within bounds, page by page', async () => {
    const conversationId = await filled(10);
    const all = await read(conversationId);
    expect(seqsOf(all)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(all).toMatchObject({ headSeq: 10, floorSeq: 0, coveredFromSeq: 1, coveredToSeq: 10, more: false });
    const page = await read(conversationId, { afterSeq: 2, beforeSeq: 9, limit: 3 });
    expect(seqsOf(page)).toEqual([3, 4, 5]);
    expect(page).toMatchObject({ coveredFromSeq: 3, coveredToSeq: 5, more: true });
    const newest = await read(conversationId, { limit: 3, newestFirst: true });
    expect(seqsOf(newest)).toEqual([10, 9, 8]);
    expect(newest).toMatchObject({ coveredFromSeq: 8, coveredToSeq: 10, more: true });
    const last = await read(conversationId, { beforeSeq: 3, newestFirst: true });
    expect(last).toMatchObject({ coveredFromSeq: 1, coveredToSeq: 2, more: false });
    const none = await read(conversationId, { afterSeq: 10 });
    expect(none.coveredFromSeq).toBeGreaterThan(none.coveredToSeq);
    expect(none.messages).toEqual([]);
  });

  it('reads by time, because server time rises with seq', async () => {
    const conversationId = await filled(6);
    const collection = messages.in(store.mongo.db);
    for (let seq = 1; seq <= 6; seq++) {
      await collection.updateOne(
        { conversationId, seq },
        { $set: { serverTime: new Date(1_000 * Math.ceil(seq / 2)) } },
      );
    }
    expect(seqsOf(await read(conversationId, { fromMs: 2_000 }))).toEqual([3, 4, 5, 6]);
    expect(seqsOf(await read(conversationId, { fromMs: 1_001, toMs: 3_000 }))).toEqual([3, 4]);
    expect(seqsOf(await read(conversationId, { toMs: 1_000 }))).toEqual([]);
    expect(seqsOf(await read(conversationId, { fromMs: 4_000 }))).toEqual([]);
    expect(seqsOf(await read(conversationId, { toMs: 3_001, newestFirst: true, limit: 1 }))).toEqual([6]);
  });

  it('tells what is gone, with reasons from tombstones while they are there', async () => {
    const conversationId = await filled(8);
    const collection = messages.in(store.mongo.db);
    const end = (seqs: number[], goneReason: number) =>
      collection.updateMany(
        { conversationId, seq: { $in: seqs } },
        { $set: { goneReason }, $unset: { envelope: true } },
      );
    await end([3, 4], GONE.delivered);
    await end([5], GONE.expired);
    await end([7], GONE.deleted);
    await collection.deleteMany({ conversationId, seq: { $in: [1, 2] } });
    await conversations
      .in(store.mongo.db)
      .updateOne({ conversationId }, { $set: { floorSeq: 5, expiredSeq: 1 } }, { upsert: true });
    const forwards = await read(conversationId);
    expect(seqsOf(forwards)).toEqual([6, 8]);
    expect(forwards.gone).toEqual([
      { fromSeq: 1, toSeq: 1, reason: GONE.expired },
      { fromSeq: 2, toSeq: 4, reason: GONE.delivered },
      { fromSeq: 5, toSeq: 5, reason: GONE.expired },
      { fromSeq: 7, toSeq: 7, reason: GONE.deleted },
    ]);
    expect(forwards).toMatchObject({ floorSeq: 5, coveredFromSeq: 1, coveredToSeq: 8 });
    const backwards = await read(conversationId, { newestFirst: true });
    expect(backwards.gone).toEqual(forwards.gone.toReversed());
  });

  it('never tells a missing document above the floor as gone', async () => {
    const conversationId = await filled(4);
    await messages.in(store.mongo.db).deleteOne({ conversationId, seq: 3 });
    const failure: unknown = await read(conversationId).catch((error: unknown) => error);
    expect(statusOf(failure)).toBe(13);
    expect(seqsOf(await read(conversationId, { beforeSeq: 3 }))).toEqual([1, 2]);
  });

  it('bounds an answer by bytes', async () => {
    const conversationId = await filled(1);
    const envelope = Buffer.alloc(200_000);
    for (let part = 0; part < 3; part++) {
      await Promise.all(router.appendAll(Array.from({ length: 10 }, () => ({ conversationId, envelope }))));
    }
    const page = await read(conversationId);
    expect(page.more).toBe(true);
    expect(page.messages.length).toBeLessThanOrEqual(22);
    expect(seqsOf(await read(conversationId, { afterSeq: page.coveredToSeq })).at(-1)).toBe(31);
  });

  it('tells heads at once after an append, also a store that has just started', async () => {
    const known = await filled(3);
    const ids = [known, groupConversation(newId()), ...(await Promise.all([filled(2), filled(5)]))];
    const heads = async (pool: TestRouter['pool']) => {
      const found = await pool.callOwner('getHeads', { conversationIds: ids }, { key: known, ...CALL });
      return found.heads.map(({ headSeq }) => headSeq);
    };
    expect(await heads(router.pool)).toEqual([3, 2, 5]);
    await conversations.in(store.mongo.db).deleteMany({ conversationId: { $in: ids } });
    const fresh = await runStore({ namespace, mongoUrl: testServers().mongoUrl, name: 'message-store-1' });
    const other = new TestRouter('router-9', [fresh]);
    try {
      expect(await heads(other.pool)).toEqual([3, 2, 5]);
      fresh.watch.assertTargeted();
    } finally {
      other.close();
      await fresh.life.stop();
    }
  });

  it('does nothing any more for callers that have given up, so that others are answered', async () => {
    const hold = deferred<void>();
    let reads = 0;
    const held = (real: LogReader): LogReader => ({
      conversation: async (conversationId) => {
        reads++;
        await hold.promise;
        return real.conversation(conversationId);
      },
      newest: (conversationId) => real.newest(conversationId),
      firstSince: (conversationId, timeMs) => real.firstSince(conversationId, timeMs),
      scan: (scan) => real.scan(scan),
      membershipAfter: (place, limit) => real.membershipAfter(place, limit),
      message: (place) => real.message(place),
    });
    const busy = await runStore({
      namespace: uniqueNamespace(),
      mongoUrl: testServers().mongoUrl,
      env: { GODWIT_STORE_MAX_READS: '2' },
      overrides: { reader: held },
    });
    const asking = await new TestRouter('router-1', [busy]).connected();
    try {
      const conversationId = groupConversation(newId());
      await asking.append(created(conversationId));
      const range = { afterSeq: 0, beforeSeq: 0, fromMs: 0, toMs: 0 };
      const request = { ...range, conversationId, limit: 10, newestFirst: false };
      const read = (deadlineMs: number) =>
        asking.pool.callOwner('getMessages', request, { key: conversationId, deadlineMs, idempotent: false });
      const given = await Promise.allSettled(Array.from({ length: 50 }, () => read(400)));
      expect(given.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 'rejected'));
      const answer = read(10_000);
      hold.resolve();
      expect((await answer).messages).toHaveLength(1);
      // Those that were being worked on when their callers gave up, and the last.
      expect(reads).toBeLessThanOrEqual(3);
    } finally {
      asking.close();
      await busy.life.stop();
    }
  });

  it('reads the heads of a thousand conversations with one call', async () => {
    const ids = Array.from({ length: 1_000 }, () => groupConversation(newId()));
    await Promise.all(router.appendAll(ids.map(created)));
    await Promise.all(router.appendAll(ids.map((conversationId) => ({ conversationId }))));
    const fresh = await runStore({ namespace, mongoUrl: testServers().mongoUrl, name: 'message-store-1' });
    const other = new TestRouter('router-9', [fresh]);
    try {
      const ask = { key: 'any', ...CALL, attemptMs: 5_000 };
      await other.pool.callOwner('getHeads', { conversationIds: ids.slice(0, 20) }, ask);
      const { heads } = await other.pool.callOwner('getHeads', { conversationIds: ids }, ask);
      expect(heads.map(({ headSeq, membershipVersion }) => [headSeq, membershipVersion])).toEqual(
        ids.map(() => [2, 1]),
      );
    } finally {
      other.close();
      await fresh.life.stop();
    }
  });

  it('keeps the membership log and the state of a message', async () => {
    const conversationId = await filled(3);
    const change = { conversationId, kind: KIND.membership, membershipVersion: 1 };
    expect(seqOf(await router.append(change))).toBe(4);
    const ask = { key: conversationId, ...CALL };
    const log = await router.pool.callOwner('getMembershipLog', { conversationId, afterVersion: 0, limit: 1 }, ask);
    expect(log).toMatchObject({ membershipVersion: 4, more: true });
    expect(log.messages.map(({ seq }) => seq)).toEqual([1]);
    const rest = await router.pool.callOwner('getMembershipLog', { conversationId, afterVersion: 1, limit: 9 }, ask);
    expect(rest.messages.map(({ seq, membershipVersion }) => [seq, membershipVersion])).toEqual([[4, 4]]);
    const { state } = await router.pool.callOwner('getMessageState', { conversationId, seq: 2 }, ask);
    expect(state).toMatchObject({ $case: 'found', value: { senderUserId: userA, payloadGone: false } });
    const missing = await router.pool.callOwner('getMessageState', { conversationId, seq: 9 }, ask);
    expect(missing.state?.$case).toBe('notFound');
  });

  it.each([
    ['conversation_id', { conversationId: 'g:$ne' }],
    ['conversation_id', { conversationId: '__proto__' }],
    ['limit', { limit: 513 }],
    ['limit', { limit: 0 }],
  ])('refuses a bad %s by name', async (field, request) => {
    const failure: unknown = await read(groupConversation(newId()), request).catch((error: unknown) => error);
    expect(statusOf(failure)).toBe(3);
    expect(errorInfo(failure)?.field).toBe(field);
  });
});
