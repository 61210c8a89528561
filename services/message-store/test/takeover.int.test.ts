import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it, type TestContext } from 'vitest';
import { messages, storeProcesses } from '../src/mongo/collections.js';
import { created, runStore, seqOf, TestRouter, type RunningStore, type StoreOptions } from './harness.js';

// At the same time: nearly all of it is waiting.
describe.concurrent('what was stored is fanned out', () => {
  const start = async (test: TestContext, options: Partial<StoreOptions> = {}): Promise<RunningStore> => {
    const store = await runStore({ namespace: uniqueNamespace(), mongoUrl: testServers().mongoUrl, ...options });
    test.onTestFinished(async () => {
      await store.life.stop();
    });
    return store;
  };
  const connect = async (test: TestContext, node: string, ...stores: RunningStore[]): Promise<TestRouter> => {
    const router = new TestRouter(node, stores);
    test.onTestFinished(() => {
      router.close();
    });
    return router.connected();
  };

  it('orders another router after 3 s without a confirmation, and the next one after that', async (test) => {
    const store = await start(test);
    const first = await connect(test, 'router-0', store);
    const second = await connect(test, 'router-1', store);
    second.confirms = false;
    const conversationId = groupConversation(newId());
    const confirmed = groupConversation(newId());
    await first.append(created(conversationId));
    await first.append(created(confirmed));
    first.confirm(confirmed, 1);
    const startedAt = performance.now();
    await waitFor(() => second.orders.length > 0, { timeoutMs: 5_000, what: 'an order for the second router' });
    expect(performance.now() - startedAt).toBeGreaterThan(2_500);
    expect(second.orders).toEqual([{ conversationId, fromSeq: 1, toSeq: 1 }]);
    await waitFor(() => first.orders.length > 0, { timeoutMs: 5_000, what: 'the order coming round' });
    expect(first.orders).toEqual([{ conversationId, fromSeq: 1, toSeq: 1 }]);
  });

  it('orders at once when the stream of the router breaks', async (test) => {
    const store = await start(test);
    const first = await connect(test, 'router-0', store);
    const second = await connect(test, 'router-1', store);
    const conversationId = groupConversation(newId());
    await first.append(created(conversationId));
    await Promise.all(first.appendAll([{ conversationId }, { conversationId }]));
    first.confirm(conversationId, 1);
    // Frames of one stream come in order: after this answer the confirmation was seen.
    await first.append({ conversationId, clientMessageId: 'x', lookupOnly: true });
    first.close();
    await waitFor(() => second.orders.length > 0, { timeoutMs: 1_500, what: 'an order for the second router' });
    const seqs = second.orders.flatMap(({ fromSeq, toSeq }) => [fromSeq, toSeq]);
    expect([Math.min(...seqs), Math.max(...seqs)]).toEqual([2, 3]);
  });

  it('stays dense with two stores that append to one conversation at once', async (test) => {
    const namespace = uniqueNamespace();
    const stores = [await start(test, { namespace }), await start(test, { namespace, name: 'message-store-1' })];
    const router = await connect(test, 'router-0', ...stores);
    const conversationId = groupConversation(newId());
    await router.append(created(conversationId));
    const send = async (index: number): Promise<number> => {
      const item = { conversationId, clientMessageId: `m${String(index)}` };
      for (let attempt = 0; ; attempt++) {
        const outcome = await router.append(
          { ...item, retry: attempt > 0 },
          `message-store-${String((index + attempt) % 2)}`,
        );
        if (outcome.$case === 'appended') return outcome.value.seq;
        expect(['notOwner', 'unavailable']).toContain(outcome.$case);
      }
    };
    const seqs = await Promise.all(Array.from({ length: 200 }, (_, index) => send(index)));
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 2));
    // In turns, so that each finds its head behind and both have appended in the end.
    for (let index = 200; index < 206; index++) expect(await send(index)).toBe(index + 2);
    const [store] = stores;
    const found = await messages
      .in((store as RunningStore).mongo.db)
      .find({ conversationId }, { sort: { seq: 1 } })
      .toArray();
    expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: 207 }, (_, index) => index + 1));
    expect(new Set(found.map(({ by }) => by)).size).toBe(2);
  });

  it('takes over from a dead process: what it left unconfirmed is ordered within ten seconds', async (test) => {
    const namespace = uniqueNamespace();
    const dying = await start(test, { namespace });
    const peer = await start(test, { namespace, name: 'message-store-1' });
    const router = await connect(test, 'router-0', dying);
    const survivor = await connect(test, 'router-1', peer);
    const confirmed = groupConversation(newId());
    await router.append(created(confirmed));
    router.confirm(confirmed, 1);
    // The row's confirmedAt passes what is confirmed with one of the next beats.
    const processes = storeProcesses.in(peer.mongo.db);
    const before = await processes.findOne({ _id: dying.incarnation });
    await waitFor(
      async () => {
        const row = await processes.findOne({ _id: dying.incarnation });
        return (
          row !== null &&
          before !== null &&
          row.confirmedAt.greaterThan(before.confirmedAt) &&
          row.beat > before.beat + 1
        );
      },
      { timeoutMs: 4_000, what: 'confirmedAt to be raised' },
    );
    const lost = groupConversation(newId());
    await router.append(created(lost));
    expect(seqOf(await router.append({ conversationId: lost }))).toBe(2);
    const diedAt = performance.now();
    await dying.mongo.close();
    router.close();
    await waitFor(() => survivor.orders.some(({ conversationId }) => conversationId === lost), {
      timeoutMs: 10_000,
      what: 'the order of the peer',
    });
    expect(performance.now() - diedAt).toBeGreaterThan(4_000);
    const orders = survivor.orders.filter(({ conversationId }) => conversationId === lost);
    expect(Math.min(...orders.map(({ fromSeq }) => fromSeq))).toBe(1);
    expect(Math.max(...orders.map(({ toSeq }) => toSeq))).toBe(2);
    expect(survivor.orders.every(({ conversationId }) => conversationId === lost)).toBe(true);
    // Read until 10 s past the claim, then the row goes.
    await waitFor(async () => (await processes.findOne({ _id: dying.incarnation })) === null, {
      timeoutMs: 15_000,
      what: 'the row to go',
    });
    peer.watch.assertTargeted();
  }, 60_000);

  it('ends a process that finds its row claimed, which appends nothing any more', async (test) => {
    const store = await start(test);
    const router = await connect(test, 'router-0', store);
    const conversationId = groupConversation(newId());
    await router.append(created(conversationId));
    await storeProcesses
      .in(store.mongo.db)
      .updateOne({ _id: store.incarnation }, { $set: { claimedBy: 'somebody' }, $inc: { claimBeat: 1 } });
    expect(await store.life.failure).toBeInstanceOf(Error);
  });

  it('leaves no row behind when it stops in order with everything confirmed', async (test) => {
    const store = await start(test);
    const other = await start(test, { name: 'message-store-1' });
    const router = await connect(test, 'router-0', store);
    const conversationId = groupConversation(newId());
    await router.append(created(conversationId));
    router.confirm(conversationId, 1);
    const rows = async (): Promise<number> =>
      other.mongo.client
        .db(store.mongo.db.databaseName)
        .collection('store_processes')
        .countDocuments({ _id: store.incarnation as never });
    expect(await rows()).toBe(1);
    expect(await store.life.stop()).toBe(true);
    expect(await rows()).toBe(0);
  });
});
