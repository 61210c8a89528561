import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { loadMessageStoreConfig } from '@godwit/message-store/config';
import { startMessageStore } from '@godwit/message-store/service';
import { Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { freePorts } from '@godwit/testkit/free-port';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { KIND } from '../src/domain/kind.js';
import { LogConversations } from './support/log-conversations.js';
import { memoryDevices, MemoryRelations, MemorySessions, MemoryWakes } from './support/memory-world.js';
import { runRouter, type RunningRouter } from './support/running-router.js';
import { payloadOf, TestEdge, textOf, textPayload } from './support/test-edge.js';

const namespace = uniqueNamespace();
const alice = newId();
const bob = newId();
const phone = newId();
const bobPhone = newId();

interface Store {
  readonly name: string;
  readonly life: Lifecycle;
}

let ports: readonly number[] = [];
const sessions = new MemorySessions();
const relations = new MemoryRelations();
const wakes = new MemoryWakes();
const conversations = new LogConversations();
const stores: Store[] = [];
const routers: RunningRouter[] = [];
const edges: TestEdge[] = [];

const storeNodes = (): string =>
  ports.map((port, index) => `message-store-${String(index)}=127.0.0.1:${String(port)}`).join();

const startStore = async (index: number): Promise<Store> => {
  const name = `message-store-${String(index)}`;
  const config = loadMessageStoreConfig({
    GODWIT_NODE: name,
    GODWIT_NAMESPACE: namespace,
    GODWIT_MONGO_URL: testServers().mongoUrl,
    GODWIT_GRPC_LISTEN: `127.0.0.1:${String(ports[index])}`,
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    GODWIT_MESSAGE_STORE_NODES: storeNodes(),
  });
  const life = new Lifecycle({ logger: silentLogger });
  await startMessageStore(config, life, {
    membership: { members: () => Promise.reject(new Error('nothing is reaped in this test')) },
    devices: { devicesOf: () => Promise.reject(new Error('nothing is reaped in this test')) },
  });
  const store = { name, life };
  stores.push(store);
  return store;
};

const startRouter = async (node: string): Promise<RunningRouter> => {
  const router = await runRouter({
    node,
    overrides: { sessions, relations, wakes, conversations, devices: memoryDevices },
    env: { GODWIT_MESSAGE_STORE_NODES: storeNodes() },
  });
  routers.push(router);
  await waitFor(() => router.rules.appendStreams.up === stores.length, { what: 'streams to the stores' });
  return router;
};

const openEdge = async (edgeId: string, router: RunningRouter, name: string): Promise<TestEdge> => {
  const edge = await new TestEdge(edgeId, router.grpcPort, name).connected();
  edges.push(edge);
  return edge;
};

beforeAll(async () => {
  ports = await freePorts(2);
  await startStore(0);
  await startStore(1);
});

afterEach(async () => {
  for (const edge of edges.splice(0)) edge.close();
  for (const router of routers.splice(0)) await router.life.stop();
});

afterAll(async () => {
  for (const { life } of stores) await life.stop();
});

describe('with a real message store', () => {
  it('5,000 messages in one conversation are acked, dense, and delivered in order', async () => {
    const router = await startRouter('router-0');
    const edge = await openEdge('edge-0', router, 'router-0');
    const chat = privateConversation(alice, bob);
    conversations.append = router.rules.membershipChanges;
    sessions.connect(bob, edge.session(bobPhone, 3));
    const items = Array.from({ length: 5_000 }, (_, index) => ({
      userId: alice,
      deviceId: phone,
      conversationId: chat,
      payload: textPayload(String(index)),
    }));
    const startedAt = performance.now();
    const outcomes = await edge.send(...items);
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(outcomes.map((outcome) => outcome.$case === 'stored' && outcome.value.seq)).toEqual(
      items.map((_, index) => index + 2),
    );
    // On a loaded machine some may be ordered to be fanned out again before they are confirmed; clients drop those.
    const seen = (): number[] => [...new Set(edge.seqsOf(3))];
    await waitFor(() => seen().length >= 5_001, { what: 'all deliveries', timeoutMs: 10_000 });
    expect(seen()).toEqual(Array.from({ length: 5_001 }, (_, index) => index + 1));
    expect(edge.deliveries.map(({ envelope }) => textOf(envelope))).toContain('4999');
    const { pending } = router.rules;
    await waitFor(() => pending['fan-outs']?.() === 0 && pending['orders']?.() === 0, { what: 'nothing left to do' });
    expect(seconds).toBeLessThan(10);
  });

  it('what a router had in hand when it stopped is fanned out by the next', async () => {
    const first = await startRouter('router-0');
    const second = await startRouter('router-1');
    const edge = await openEdge('edge-1', first, 'router-0');
    const other = await openEdge('edge-2', second, 'router-1');
    const chat = privateConversation(alice, bob);
    edge.answers = false;
    sessions.connect(bob, edge.session(bobPhone, 3));
    const [outcome] = await edge.send({ userId: alice, deviceId: phone, conversationId: chat });
    sessions.connect(bob, other.session(bobPhone, 8));
    await first.life.stop();
    const seq = outcome?.$case === 'stored' ? outcome.value.seq : 0;
    await waitFor(() => other.seqsOf(8).includes(seq), { what: 'the delivery by the other', timeoutMs: 10_000 });
  });

  it('sends go on while one store after the other is started anew, none twice, none lost', async () => {
    const router = await startRouter('router-0');
    const edge = await openEdge('edge-0', router, 'router-0');
    const group = groupConversation(newId());
    conversations.append = router.rules.membershipChanges;
    // Before the conversation begins: its first message is for him, too.
    sessions.connect(bob, edge.session(bobPhone, 3));
    await conversations.begin(group, [alice, bob]);
    const seqs: number[] = [];
    let going = true;
    const sending = (async () => {
      while (going) {
        const [outcome] = await edge.send({ userId: alice, deviceId: phone, conversationId: group });
        if (outcome?.$case !== 'stored') throw new Error(JSON.stringify(outcome));
        seqs.push(outcome.value.seq);
      }
    })();
    for (const index of [0, 1]) {
      await stores[index]?.life.stop();
      stores[index] = await startStore(index);
      stores.pop();
      await waitFor(() => router.rules.appendStreams.up === 2, { what: 'both streams', timeoutMs: 10_000 });
    }
    going = false;
    await sending;
    expect(seqs).toEqual(seqs.map((_, index) => index + 2));
    await waitFor(() => new Set(edge.seqsOf(3)).size === seqs.length + 1, { what: 'deliveries', timeoutMs: 15_000 });
  });

  it('marks, edits, deletes and syncs go all the way', async () => {
    const router = await startRouter('router-0');
    const edge = await openEdge('edge-0', router, 'router-0');
    const carol = newId();
    const chat = privateConversation(alice, carol);
    conversations.append = router.rules.membershipChanges;
    const from = { userId: alice, deviceId: phone, conversationId: chat };
    sessions.connect(alice, edge.session(phone, 1));
    await edge.send(from, from);
    const edit = payloadOf({ $case: 'edit', value: { text: 'better' } });
    const remove = payloadOf({ $case: 'delete', value: {} });
    const outcomes = await edge.send(
      { ...from, kind: Kind.KIND_EDIT, targetSeq: 2, payload: edit },
      { ...from, userId: carol, deviceId: newId(), kind: Kind.KIND_EDIT, targetSeq: 2, payload: edit },
      { ...from, kind: Kind.KIND_DELETE, targetSeq: 3, payload: remove },
      { ...from, kind: Kind.KIND_DELETE, targetSeq: 77, payload: remove },
    );
    expect(outcomes).toMatchObject([
      { $case: 'stored', value: { seq: 4 } },
      { $case: 'refused', value: { reason: 'NOT_THE_AUTHOR', field: 'metadata.target_seq' } },
      { $case: 'stored', value: { seq: 5 } },
      { $case: 'refused', value: { reason: 'TARGET_NOT_FOUND' } },
    ]);
    const device = newId();
    const events = await edge.sync({ userId: carol, deviceId: device });
    expect(events.map(({ event }) => event?.$case)).toEqual([
      'position',
      'message',
      'message',
      'gone',
      'message',
      'message',
      'receipt',
      'done',
    ]);
    const cursor = { conversationId: chat, userId: carol, deviceId: device, handle: 9 };
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 5, readSeq: 4 }] });
    await waitFor(() => edge.notices.length > 0, { what: 'the receipt' });
    expect(edge.notices[0]).toMatchObject({
      handles: [1],
      notice: { $case: 'receipt', value: { userId: carol, deliveredSeq: 5, readSeq: 4 } },
    });
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 6, readSeq: 0 }] });
    await waitFor(() => edge.notices.some(({ notice }) => notice?.$case === 'error'), { what: 'the refusal' });
    const again = await edge.sync({ userId: carol, deviceId: device });
    expect(again.filter(({ event }) => event?.$case === 'message')).toEqual([]);
    expect(again.some(({ event }) => event?.$case === 'receipt')).toBe(true);
  });

  it('kinds are those the store knows', () => {
    expect(KIND.membership).toBe(Kind.KIND_MEMBERSHIP);
  });
});
