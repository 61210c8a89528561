import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { PUSH } from '@godwit/bus/streams';
import { accountRelations, groupMembership } from '@godwit/bus/subjects';
import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { AccountChanged, MembershipChanged, PushWake } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { ACCOUNT, GROUP } from '@godwit/bus/streams';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { createWorld, type World } from './support/memory-world.js';
import { portsOf, runRouter, type RunningRouter } from './support/running-router.js';
import { TestEdge } from './support/test-edge.js';

const alice = newId();
const bob = newId();
const chat = privateConversation(alice, bob);
const fromAlice = { userId: alice, deviceId: newId(), conversationId: chat };

let world: World;
let router: RunningRouter;
let edge: TestEdge;
let bus: Bus;
let namespace: string;

beforeEach(async () => {
  world = createWorld();
  namespace = uniqueNamespace();
  const { wakes, ...overrides } = portsOf(world);
  expect(wakes).toBeDefined();
  router = await runRouter({
    overrides,
    env: { GODWIT_NAMESPACE: namespace, GODWIT_NATS_URL: testServers().natsUrl },
  });
  edge = await new TestEdge('edge-0', router.grpcPort).connected();
  bus = connectBus({
    url: testServers().natsUrl,
    namespace,
    name: 'test',
    logger: silentLogger,
    metrics: createMetrics({ service: 'test', node: 'test', processMetrics: false }),
    streams: [PUSH, ACCOUNT, GROUP],
  });
  await waitFor(() => bus.connected, { what: 'NATS' });
});

afterEach(async () => {
  edge.close();
  await bus.close();
  await router.life.stop();
});

const stored = (work: () => Promise<void>) =>
  waitFor(
    () =>
      work().then(
        () => true,
        () => false,
      ),
    { what: 'the stream' },
  );

it('wakes go into PUSH, once for a user and conversation and seq', async () => {
  const wakes: PushWake[] = [];
  const abort = new AbortController();
  const consuming = bus.consume(
    PUSH,
    ({ payload }) => {
      wakes.push(PushWake.decode(payload));
      return Promise.resolve();
    },
    { durable: 'push', signal: abort.signal },
  );
  await edge.send(fromAlice);
  await waitFor(() => wakes.length > 0, { what: 'the wake' });
  expect(wakes).toMatchObject([{ userId: bob, conversationId: chat, seq: 2, senderUserId: alice, kind: 1 }]);
  abort.abort();
  await consuming.done;
});

it('a block counts from the moment it is made known', async () => {
  await edge.send(fromAlice);
  world.relations.set.set(`${bob} ${alice}`, { blocked: true });
  const [before] = await edge.send(fromAlice);
  expect(before?.$case).toBe('stored');
  const change = { $case: 'relations', value: { otherUserId: alice } } as const;
  const fact = AccountChanged.encode({ userId: bob, change }).finish();
  await stored(() => bus.store(accountRelations(bob), fact));
  await waitFor(async () => (await edge.send(fromAlice))[0]?.$case === 'refused', { what: 'the refusal' });
});

it('a change of members that another router appended is known before it is met', async () => {
  const group = groupConversation(newId());
  world.conversations.group(group, { [alice]: 'owner', [bob]: 'member' });
  await edge.send({ ...fromAlice, conversationId: group });
  expect(router.rules.conversations.peek(group)?.version).toBe(1);
  const fact = MembershipChanged.encode({ conversationId: group, membershipVersion: 3 }).finish();
  await stored(() => bus.store(groupMembership(group), fact));
  await waitFor(() => router.rules.conversations.peek(group) === undefined, { what: 'the view to go' });
});
