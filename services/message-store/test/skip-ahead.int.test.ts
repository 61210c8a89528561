import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { connectMongo } from '@godwit/mongo/connect';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GONE } from '../src/domain/message.js';
import { conversations, storeProcesses } from '../src/mongo/collections.js';
import { skipAhead } from '../src/mongo/skip-ahead.js';
import { created, runStore, seqOf, TestRouter, type RunningStore } from './harness.js';

const CALL = { deadlineMs: 5_000, idempotent: true, key: 'any', attemptMs: 2_000 };
const HOUR_MS = 3_600_000;
const reader = newId();
const device = newId();

describe('a log that was restored from a backup', () => {
  const { mongoUrl } = testServers();
  let namespace: string;
  let store: RunningStore;
  let router: TestRouter;

  const start = async (): Promise<void> => {
    const members = [{ userId: reader, intervals: [{ fromSeq: 1, toSeq: 0 }] }];
    store = await runStore({
      namespace,
      mongoUrl,
      env: { GODWIT_REAPER_DELAY: '50ms', GODWIT_REAPER_PACE: '5ms', GODWIT_REAPER_ROUND: '100ms' },
      overrides: {
        membership: { members: (_, minVersion) => Promise.resolve({ membershipVersion: minVersion, members }) },
        devices: {
          devicesOf: () => Promise.resolve(new Map([[reader, [{ deviceId: device, registeredAtMs: 1 }]]])),
        },
      },
    });
    router = await new TestRouter('router-0', [store]).connected();
  };
  const stop = async (): Promise<void> => {
    router.close();
    await store.life.stop();
  };
  beforeEach(async () => {
    namespace = uniqueNamespace();
    await start();
  });
  afterEach(stop);

  /** Stops the store, moves its log ahead and starts it again. @returns how far */
  const skip = async (backupAt: Date): Promise<number> => {
    await stop();
    const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
    const { seqs } = await skipAhead(mongo.db, { backupAt, now: new Date() });
    await mongo.close();
    await start();
    return seqs;
  };
  const begin = async (texts: number): Promise<string> => {
    const conversationId = groupConversation(newId());
    const membershipVersion = seqOf(await router.append(created(conversationId)));
    const items = Array.from({ length: texts }, () => ({ conversationId, membershipVersion }));
    await Promise.all(router.appendAll(items));
    return conversationId;
  };
  const read = (conversationId: string, afterSeq: number) => {
    const range = { conversationId, afterSeq, beforeSeq: 0, fromMs: 0, toMs: 0, limit: 10, newestFirst: false };
    return router.pool.callOwner('getMessages', range, CALL);
  };
  const ack = (conversationId: string, deliveredSeq: number) => {
    const raise = { conversationId, userId: reader, deviceId: device, deliveredSeq, readSeq: 0 };
    return router.pool.callOwner('raiseCursors', { raises: [raise] }, CALL);
  };
  const record = (conversationId: string) => conversations.in(store.mongo.db).findOne({ conversationId });

  it('goes on above every seq that was given since, and tells the ones between as expired', async () => {
    const conversationId = await begin(2);
    const seqs = await skip(new Date(Date.now() - HOUR_MS));
    expect(seqs).toBeGreaterThan(4_000_000);
    expect(await ack(conversationId, 1_234)).toMatchObject({ aboveHead: [] });
    expect(seqOf(await router.append({ conversationId }))).toBe(3 + seqs + 1);
    const page = await read(conversationId, 2);
    expect(page.messages.map(({ seq }) => seq)).toEqual([3, 3 + seqs + 1]);
    expect(page.gone).toEqual([{ fromSeq: 4, toSeq: 3 + seqs, reason: GONE.expired }]);
    const stateOf = async (seq: number) =>
      (await router.pool.callOwner('getMessageState', { conversationId, seq }, CALL)).state?.$case;
    expect([await stateOf(3), await stateOf(4), await stateOf(3 + seqs)]).toEqual([
      'found',
      'passedOver',
      'passedOver',
    ]);
    const { heads } = await router.pool.callOwner('getHeads', { conversationIds: [conversationId] }, CALL);
    expect(heads).toMatchObject([{ headSeq: 4 + seqs, expiredSeq: 3 + seqs, membershipVersion: 1 }]);
  });

  it('is reaped over the gap', async () => {
    const conversationId = await begin(2);
    const seqs = await skip(new Date());
    const last = seqOf(await router.append({ conversationId }));
    await ack(conversationId, last);
    await waitFor(async () => (await record(conversationId))?.floorSeq === 3 + seqs + 1, { what: 'the floor' });
    await waitFor(async () => (await record(conversationId))?.unreaped === undefined);
    expect((await read(conversationId, 0)).gone.at(-1)).toMatchObject({ toSeq: last, reason: GONE.delivered });
  });

  it('begins conversations that it does not know above what they may have had', async () => {
    const seqs = await skip(new Date());
    const conversationId = await begin(1);
    await waitFor(async () => (await record(conversationId))?.headSeq === seqs + 2, { what: 'the stored head' });
    expect(await record(conversationId)).toMatchObject({ floorSeq: seqs, membershipVersion: seqs + 1 });
    const page = await read(conversationId, 0);
    expect(page.gone).toEqual([{ fromSeq: 1, toSeq: seqs, reason: GONE.expired }]);
    expect(page.messages.map(({ seq }) => seq)).toEqual([seqs + 1, seqs + 2]);
    await ack(conversationId, seqs + 2);
    await waitFor(async () => (await record(conversationId))?.floorSeq === seqs + 2, { what: 'the floor' });
  });

  it('moves once for each backup, however often it is asked, and on for the next', async () => {
    const conversationId = await begin(0);
    const first = new Date(Date.now() - HOUR_MS);
    const seqs = await skip(first);
    expect(await skip(first)).toBe(seqs);
    const more = await skip(new Date());
    expect(seqOf(await router.append({ conversationId }))).toBe(1 + seqs + more + 1);
    expect((await read(conversationId, 1)).gone).toEqual([
      { fromSeq: 2, toSeq: 1 + seqs + more, reason: GONE.expired },
    ]);
    expect(seqOf(await router.append(created(groupConversation(newId()))))).toBe(seqs + more + 1);
  });

  it('knows heads that were not written down yet', async () => {
    const conversationId = await begin(4);
    await conversations.in(store.mongo.db).deleteMany({});
    const seqs = await skip(new Date());
    expect(seqOf(await router.append({ conversationId }))).toBe(5 + seqs + 1);
    expect((await read(conversationId, 0)).messages).toHaveLength(6);
  });

  it('is left alone while a store runs; who ran when the backup was taken is forgotten', async () => {
    const now = new Date();
    const { db } = store.mongo;
    await expect(skipAhead(db, { backupAt: now, now })).rejects.toThrow(/message-store-0/);
    await storeProcesses.in(db).insertOne({
      _id: newId(),
      node: 'message-store-9',
      beat: 7,
      heartbeat: now,
      confirmedAt: (await storeProcesses.in(db).findOne())?.confirmedAt as never,
      claimBeat: 0,
    });
    await skip(now);
    expect(await storeProcesses.in(store.mongo.db).countDocuments({ node: 'message-store-9' })).toBe(0);
  });

  it('refuses a backup from the future', async () => {
    const ahead = { backupAt: new Date(Date.now() + HOUR_MS), now: new Date() };
    await expect(skipAhead(store.mongo.db, ahead)).rejects.toThrow(RangeError);
  });
});
