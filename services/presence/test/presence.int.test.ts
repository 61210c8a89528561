import { connectBus } from '@godwit/bus/bus';
import { ACCOUNT } from '@godwit/bus/streams';
import { accountRelations } from '@godwit/bus/subjects';
import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type { Mongo } from '@godwit/mongo/connect';
import { AccountChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { watchMongoCommands } from '@godwit/testkit/mongo-command-watcher';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestFleet, People, TestEdge, type RunningReplica, type TestFleet } from './service-fixture.js';

const opened: AsyncDisposable[] = [];
const edges: TestEdge[] = [];
afterEach(async () => {
  for (const edge of edges.splice(0)) edge.kill();
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

interface World {
  readonly namespace: string;
  readonly people: People;
  readonly fleet: TestFleet;
  readonly replicas: readonly RunningReplica[];
}

const worldOf = async (names: readonly string[], env: Record<string, string> = {}): Promise<World> => {
  const namespace = uniqueNamespace();
  const people = new People();
  const fleet = await createTestFleet({ names, servers: testServers(), namespace, env, overrides: people.overrides });
  opened.push(fleet);
  const replicas: RunningReplica[] = [];
  for (const name of names) replicas.push(await fleet.start(name));
  return { namespace, people, fleet, replicas };
};

const edgeOf = async (
  fleet: TestFleet,
  options: { node: string; edgeId: string; incarnation?: string },
): Promise<TestEdge> => {
  const edge = new TestEdge(fleet.pool, options);
  edges.push(edge);
  await waitFor(() => edge.ups > 0);
  return edge;
};

const subscribed = async (edge: TestEdge, ...request: Parameters<TestEdge['subscribe']>): Promise<string> => {
  const requestId = edge.subscribe(...request);
  const { refusedReason, refusedField } = await waitFor(() => edge.outcomes.get(requestId), { what: 'an outcome' });
  return `${refusedReason} ${refusedField}`.trim();
};

const seen = (edge: TestEdge, [handle, userId]: readonly [number, string], online: boolean) =>
  waitFor(() => edge.sees(handle, userId)?.online === online && edge.sees(handle, userId), {
    what: `socket ${String(handle)} to see ${online ? 'online' : 'offline'}`,
    timeoutMs: 8_000,
  });

/** When the user was last seen, once the socket is told: a look-up in between may have said offline before it is known. */
const lastSeen = async (edge: TestEdge, [handle, userId]: readonly [number, string]): Promise<number> =>
  waitFor(() => edge.sees(handle, userId)?.online === false && edge.sees(handle, userId)?.lastSeenMs, {
    what: `socket ${String(handle)} to hear when the user was last seen`,
    timeoutMs: 8_000,
  });

const ask = async ({ fleet }: World, { node, viewer }: { node: string; viewer: string }, userIds: string[]) => {
  const { presences } = await fleet.pool.call(node, 'getPresence', {
    request: { userIds },
    user: viewer,
    deadlineMs: 2_000,
  });
  return presences;
};

/** The registry has them: a replica of whose edges they are on none says they are online. Only that survives a crash. */
const registered = async (world: World, node: string, userIds: string[]): Promise<void> => {
  await waitFor(async () => (await ask(world, { node, viewer: newId() }, userIds)).every(({ online }) => online), {
    what: 'the registry to know them',
  });
};

describe('two replicas', () => {
  it('tell whoever subscribed, wherever they are, of users who come and go', async () => {
    const world = await worldOf(['presence-0', 'presence-1']);
    const [ann, bob] = [newId(), newId()];
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const there = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    expect(await subscribed(here, 1, ann, { userIds: [bob] })).toBe('');
    expect(await seen(here, [1, bob], false)).toEqual({ online: false, lastSeenMs: 0 });
    there.connect(7, bob);
    await seen(here, [1, bob], true);
    expect(await subscribed(there, 7, bob, { userIds: [ann] })).toBe('');
    await seen(there, [7, ann], true);
    const before = Date.now();
    there.disconnect(7);
    const lastSeenMs = await lastSeen(here, [1, bob]);
    expect(lastSeenMs).toBeGreaterThanOrEqual(before - 50);
    expect(lastSeenMs).toBeLessThanOrEqual(Date.now());
    for (const node of ['presence-0', 'presence-1']) {
      await waitFor(async () => (await ask(world, { node, viewer: ann }, [bob]))[0]?.lastSeenMs === lastSeenMs);
    }
  });

  it('do not call a reconnect, or another socket, news', async () => {
    const world = await worldOf(['presence-0', 'presence-1']);
    const [ann, bob, eve] = [newId(), newId(), newId()];
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const there = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    await subscribed(here, 1, ann, { userIds: [bob, eve] });
    await seen(here, [1, bob], false);
    here.connect(2, bob);
    await seen(here, [1, bob], true);
    here.disconnect(2);
    there.connect(3, bob);
    there.connect(4, bob);
    there.disconnect(3);
    // Eve's news come after what bob's would have been.
    there.connect(9, eve);
    await seen(here, [1, eve], true);
    there.disconnect(9);
    await seen(here, [1, eve], false);
    expect(here.told.filter((text) => text.includes(bob))).toEqual([`1 ${bob} offline`, `1 ${bob} online`]);
    there.disconnect(4);
    await seen(here, [1, bob], false);
  });

  it('stop telling after an unsubscribe', async () => {
    const world = await worldOf(['presence-0']);
    const [ann, bob, eve] = [newId(), newId(), newId()];
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    edge.connect(1, ann);
    await subscribed(edge, 1, ann, { userIds: [bob, eve] });
    await seen(edge, [1, bob], false);
    edge.send({ unsubscribes: [{ handle: 1, userIds: [bob], conversationIds: [] }] });
    edge.connect(2, bob);
    edge.connect(3, eve);
    await seen(edge, [1, eve], true);
    expect(edge.sees(1, bob)?.online).toBe(false);
    expect(world.replicas[0]?.hub.topics).toBe(1);
  });
});

describe('crashes', () => {
  it('of an edge leave its users offline, last seen when it was last heard of', async () => {
    const world = await worldOf(['presence-0', 'presence-1']);
    const [ann, bob] = [newId(), newId()];
    const started = Date.now();
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const there = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    there.connect(1, bob);
    await subscribed(here, 1, ann, { userIds: [bob] });
    await registered(world, 'presence-0', [bob]);
    await seen(here, [1, bob], true);
    there.kill();
    const killed = Date.now();
    const lastSeenMs = await lastSeen(here, [1, bob]);
    expect(lastSeenMs).toBeGreaterThanOrEqual(started);
    // Not when it was found to be dead: that is a lease later.
    expect(lastSeenMs).toBeLessThan(killed + 1_000);
    await waitFor(
      async () => (await ask(world, { node: 'presence-1', viewer: ann }, [bob]))[0]?.lastSeenMs === lastSeenMs,
    );
  });

  it('of a replica and an edge together too', async () => {
    const world = await worldOf(['presence-0', 'presence-1']);
    const [ann, bob] = [newId(), newId()];
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const there = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    there.connect(1, bob);
    await subscribed(here, 1, ann, { userIds: [bob] });
    await registered(world, 'presence-0', [bob]);
    await seen(here, [1, bob], true);
    there.kill();
    const second = world.replicas[1];
    if (second !== undefined) await world.fleet.stop(second);
    const lastSeenMs = await lastSeen(here, [1, bob]);
    expect(lastSeenMs).toBeGreaterThan(0);
  });

  it('of a replica are no news; who left meanwhile is found when the edge has linked elsewhere', async () => {
    const world = await worldOf(['presence-0', 'presence-1'], { GODWIT_PRESENCE_LEASE: '15s' });
    const [ann, bob, eve] = [newId(), newId(), newId()];
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const before = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    before.connect(1, bob);
    before.connect(2, eve);
    await subscribed(here, 1, ann, { userIds: [bob, eve] });
    await seen(here, [1, bob], true);
    await seen(here, [1, eve], true);
    await registered(world, 'presence-0', [bob, eve]);
    const toldBefore = here.told.length;
    const second = world.replicas[1];
    if (second !== undefined) await world.fleet.stop(second);
    before.kill();
    // Eve's socket closes while no replica listens.
    const after = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-1' });
    after.connect(1, bob);
    await seen(here, [1, eve], false);
    expect(here.told.slice(toldBefore)).toEqual([`1 ${eve} offline`]);
  });
});

describe('privacy', () => {
  it('hides from whom the user wants it hidden, in news and in answers', async () => {
    const world = await worldOf(['presence-0']);
    const [subject, anybody, contact, blocked] = [newId(), newId(), newId(), newId()];
    world.people.set(subject, '*', { online: 'contacts', lastSeen: 'everyone' });
    world.people.set(subject, contact, { contact: true });
    world.people.set(subject, blocked, { blocked: true });
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    for (const [index, viewer] of [anybody, contact, blocked].entries()) {
      edge.connect(index + 1, viewer);
      await subscribed(edge, index + 1, viewer, { userIds: [subject] });
      await seen(edge, [index + 1, subject], false);
    }
    const before = edge.told.length;
    edge.connect(9, subject);
    await seen(edge, [2, subject], true);
    // Not even that something happened.
    expect(edge.told.slice(before)).toEqual([`2 ${subject} online`]);
    edge.disconnect(9);
    await seen(edge, [2, subject], false);
    await waitFor(() => (edge.sees(1, subject)?.lastSeenMs ?? 0) > 0);
    expect(edge.sees(3, subject)).toEqual({ online: false, lastSeenMs: 0 });
    expect(edge.told.filter((text) => text.startsWith('3 '))).toHaveLength(1);
    const [toAnybody] = await ask(world, { node: 'presence-0', viewer: anybody }, [subject]);
    const [toBlocked] = await ask(world, { node: 'presence-0', viewer: blocked }, [subject]);
    expect(toAnybody?.lastSeenMs).toBeGreaterThan(0);
    expect(toBlocked).toEqual({ userId: subject, online: false, lastSeenMs: 0 });
  });

  it('follows a change of settings at once', async () => {
    const world = await worldOf(['presence-0']);
    const [ann, bob] = [newId(), newId()];
    const { natsUrl: url } = testServers();
    const metrics = createMetrics({ service: 'test', node: 'test', processMetrics: false });
    const bus = connectBus({
      url,
      namespace: world.namespace,
      name: 'account-0',
      logger: silentLogger,
      metrics,
      streams: [ACCOUNT],
    });
    opened.push({ [Symbol.asyncDispose]: () => bus.close() });
    const changed = async (otherUserId: string): Promise<void> => {
      const change = { $case: 'relations' as const, value: { otherUserId } };
      const fact = AccountChanged.encode({ userId: bob, change }).finish();
      await waitFor(async () => {
        await bus.store(accountRelations(bob), fact);
        return true;
      });
    };
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    edge.connect(1, ann);
    edge.connect(2, bob);
    await subscribed(edge, 1, ann, { userIds: [bob] });
    await seen(edge, [1, bob], true);
    world.people.set(bob, ann, { blocked: true });
    await changed(ann);
    await seen(edge, [1, bob], false);
    world.people.set(bob, ann, {});
    await changed('');
    await seen(edge, [1, bob], true);
  });

  it('hides everything while nobody can tell, and tells when somebody can', async () => {
    const world = await worldOf(['presence-0']);
    const [ann, bob] = [newId(), newId()];
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    world.people.away = true;
    edge.connect(1, ann);
    edge.connect(2, bob);
    expect(await subscribed(edge, 1, ann, { userIds: [bob] })).toBe('');
    await seen(edge, [1, bob], false);
    expect(await ask(world, { node: 'presence-0', viewer: ann }, [bob])).toEqual([
      { userId: bob, online: false, lastSeenMs: 0 },
    ]);
    // Oneself is no secret.
    expect((await ask(world, { node: 'presence-0', viewer: bob }, [bob]))[0]?.online).toBe(true);
    world.people.away = false;
    await waitFor(async () => (await ask(world, { node: 'presence-0', viewer: ann }, [bob]))[0]?.online);
  });
});

describe('typing', () => {
  it('is heard by members who listen, here and at other replicas, not by others', async () => {
    const world = await worldOf(['presence-0', 'presence-1']);
    const [ann, bob, eve] = [newId(), newId(), newId()];
    const conversationId = groupConversation(newId());
    world.people.groups.set(conversationId, new Set([ann, bob]));
    const here = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    const there = await edgeOf(world.fleet, { node: 'presence-1', edgeId: 'edge-1' });
    here.connect(1, ann);
    here.connect(2, eve);
    there.connect(1, bob);
    expect(await subscribed(here, 1, ann, { conversationIds: [conversationId] })).toBe('');
    expect(await subscribed(there, 1, bob, { conversationIds: [conversationId] })).toBe('');
    expect(await subscribed(here, 2, eve, { conversationIds: [conversationId] })).toBe(
      'NOT_A_MEMBER conversation_ids[0]',
    );
    const type = (userId: string, stopped = false): boolean =>
      here.send({ typings: [{ userId, conversationId, stopped }] });
    // A subscription reaches the other replica's server in its own time.
    await waitFor(
      () => {
        type(ann);
        return there.told.includes(`1 ${ann} types`);
      },
      { intervalMs: 300, timeoutMs: 10_000 },
    );
    type(ann);
    type(eve);
    type(ann, true);
    await waitFor(() => there.told.includes(`1 ${ann} stopped`));
    expect(there.told.filter((text) => text.includes(eve))).toEqual([]);
    expect(here.told).toEqual([]);
  });

  it('is not heard by somebody who has blocked, or was blocked, in a private conversation', async () => {
    const world = await worldOf(['presence-0']);
    const [ann, bob, eve] = [newId(), newId(), newId()];
    world.people.set(ann, bob, { blocked: true });
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    for (const [index, user] of [ann, bob, eve].entries()) edge.connect(index + 1, user);
    const [withBob, withEve] = [privateConversation(ann, bob), privateConversation(ann, eve)];
    await subscribed(edge, 1, ann, { conversationIds: [withBob, withEve] });
    await subscribed(edge, 2, bob, { conversationIds: [withBob] });
    for (const [userId, conversationId] of [
      [ann, withBob],
      [bob, withBob],
      [eve, withEve],
    ] as const) {
      edge.send({ typings: [{ userId, conversationId, stopped: false }] });
    }
    await waitFor(() => edge.told.includes(`1 ${eve} types`));
    expect(edge.told).toEqual([`1 ${eve} types`]);
  });
});

describe('limits and bad input', () => {
  it('refuses a subscription as a whole and says why', async () => {
    const world = await worldOf(['presence-0'], { GODWIT_PRESENCE_MAX_SUBSCRIPTIONS: '10' });
    const ann = newId();
    const edge = await edgeOf(world.fleet, { node: 'presence-0', edgeId: 'edge-0' });
    edge.connect(1, ann);
    const users = Array.from({ length: 11 }, newId);
    const group = groupConversation(newId());
    expect(await subscribed(edge, 1, ann, { userIds: users })).toBe('TOO_MANY_SUBSCRIPTIONS user_ids');
    expect(await subscribed(edge, 1, ann, { userIds: users.slice(0, 10) })).toBe('');
    expect(await subscribed(edge, 1, ann, { userIds: users.slice(0, 10) })).toBe('');
    expect(await subscribed(edge, 1, ann, { conversationIds: [group] })).toBe(
      'TOO_MANY_SUBSCRIPTIONS conversation_ids',
    );
    expect(await subscribed(edge, 2, ann, { userIds: users })).toBe('NOT_CONNECTED handle');
    expect(await subscribed(edge, 1, newId(), { userIds: users })).toBe('NOT_CONNECTED handle');
    for (const bad of ['$where', '__proto__', 'a.b', '*', '>', '']) {
      expect(await subscribed(edge, 1, ann, { userIds: [newId(), bad] })).toBe('INVALID_ARGUMENT user_ids[1]');
      expect(await subscribed(edge, 1, ann, { conversationIds: [bad] })).toBe('INVALID_ARGUMENT conversation_ids[0]');
      edge.send({
        typings: [{ userId: bad, conversationId: bad, stopped: false }],
        connected: [{ handle: 5, userId: bad, deviceId: bad }],
      });
    }
    expect(world.replicas[0]?.hub.topics).toBe(10);
    edge.disconnect(1);
    await waitFor(() => world.replicas[0]?.hub.topics === 0);
  });

  it('answers GetPresence for the acting user only, about up to 100 users', async () => {
    const { fleet } = await worldOf(['presence-0']);
    const refused = async (userIds: string[], user?: string): Promise<string> => {
      try {
        await fleet.pool.call('presence-0', 'getPresence', { request: { userIds }, user, deadlineMs: 2_000 });
        return '';
      } catch (error) {
        return `${String(errorInfo(error)?.reason)} ${String(errorInfo(error)?.field)}`;
      }
    };
    expect(await refused([newId()])).toBe('ACTING_USER_REQUIRED godwit-user');
    expect(await refused([newId()], '__proto__')).toBe('ACTING_USER_REQUIRED godwit-user');
    expect(await refused(Array.from({ length: 101 }, newId), newId())).toBe('TOO_MANY user_ids');
    expect(await refused([newId(), '{$ne:1}'], newId())).toBe('INVALID_ARGUMENT user_ids[1]');
    expect(await refused([], newId())).toBe('');
  });
});

it('names the shard key in every command to Mongo', async () => {
  const people = new People();
  let mongo: Mongo | undefined;
  const overrides = { ...people.overrides, onMongo: (opening: Mongo) => (mongo = opening) };
  const fleet = await createTestFleet({
    names: ['presence-0'],
    servers: testServers(),
    namespace: uniqueNamespace(),
    overrides,
  });
  opened.push(fleet);
  await fleet.start('presence-0');
  if (mongo === undefined) throw new Error('Mongo was not opened');
  const watch = watchMongoCommands(mongo.client);
  const [ann, bob] = [newId(), newId()];
  const edge = await edgeOf(fleet, { node: 'presence-0', edgeId: 'edge-0' });
  edge.connect(1, ann);
  edge.connect(2, bob);
  await subscribed(edge, 1, ann, { userIds: [bob] });
  edge.disconnect(2);
  await seen(edge, [1, bob], false);
  const rows = mongo.db.collection('last_seen');
  await waitFor(() => rows.findOne({ userId: bob }));
  watch.assertTargeted();
  watch.stop();
});
