import { newId } from '@godwit/ids/id';
import { EvictReason, type Session } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { connectRedis, type RedisClient } from '@godwit/redis/connect';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestFleet, TestEdge, type FleetOptions, type TestFleet } from './service-fixture.js';

const opened: AsyncDisposable[] = [];
const edges: TestEdge[] = [];
afterEach(async () => {
  for (const edge of edges.splice(0)) edge.kill();
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

const fleetOf = async (
  names: readonly string[],
  env?: FleetOptions['env'],
): Promise<TestFleet & { namespace: string }> => {
  const namespace = uniqueNamespace();
  const { redisUrl } = testServers();
  const fleet = await createTestFleet({ names, redisUrl, namespace, ...(env === undefined ? {} : { env }) });
  opened.push(fleet);
  return { ...fleet, namespace };
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

const registered = async (edge: TestEdge, request: Parameters<TestEdge['register']>[0]) => {
  const requestId = edge.register(request);
  return waitFor(() => edge.registered.get(requestId), { what: 'an answer to register' });
};

const lookup = async (fleet: TestFleet, node: string, userIds: string[]): Promise<Session[][]> => {
  const { users } = await fleet.pool.call(node, 'lookup', { request: { userIds }, deadlineMs: 2_000 });
  expect(users.map(({ userId }) => userId)).toEqual(userIds);
  return users.map(({ sessions }) => sessions);
};

const handles = async (fleet: TestFleet, node: string, userId: string): Promise<number[]> =>
  ((await lookup(fleet, node, [userId]))[0] ?? []).map(({ handle }) => handle);

const device = () => ({ userId: newId(), deviceId: newId() });

const withRedis = async <T>(url: string, act: (redis: RedisClient) => Promise<T>): Promise<T> => {
  const store = connectRedis({ url, logger: silentLogger });
  await waitFor(() => store.available);
  try {
    return await store.run((client) => act(client));
  } finally {
    await store.close();
  }
};

/** What FLUSHALL would take, of this test's namespace only: the servers are shared. */
const flush = (namespace: string): Promise<number> =>
  withRedis(testServers().redisUrl, async (redis) => {
    if (!('nodes' in redis)) throw new Error('the test servers are a cluster');
    let count = 0;
    for (const master of redis.nodes('master')) {
      const keys = await master.keys(`${namespace}:*`);
      for (const key of keys) count += await master.del(key);
    }
    return count;
  });

describe('one replica', () => {
  it('registers, looks up and unregisters over gRPC', async () => {
    const fleet = await fleetOf(['session-0']);
    await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const [one, two] = [device(), device()];
    const answer = await registered(edge, { ...one, handle: 1 });
    expect(answer.superseded).toBe(false);
    await registered(edge, { ...two, handle: 2 });
    const [first, second, nobody] = await lookup(fleet, 'session-0', [one.userId, two.userId, newId()]);
    expect(first).toEqual([
      { deviceId: one.deviceId, edgeId: 'edge-0', edgeIncarnation: 'i1', handle: 1, epoch: answer.epoch },
    ]);
    expect(second).toHaveLength(1);
    expect(nobody).toEqual([]);
    edge.send({ unregisters: [{ ...one, handle: 1 }] });
    await waitFor(async () => (await handles(fleet, 'session-0', one.userId)).length === 0);
  });

  it('evicts the older socket of a device on its own edge and says why', async () => {
    const fleet = await fleetOf(['session-0']);
    await fleet.start('session-0');
    const [one, two] = [
      await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' }),
      await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-1' }),
    ];
    const phone = device();
    const first = await registered(one, { ...phone, handle: 11 });
    const second = await registered(two, { ...phone, handle: 22, epoch: first.epoch });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    await waitFor(() => one.evicts.length > 0);
    expect(one.evicts).toEqual([{ handle: 11, reason: EvictReason.EVICT_REASON_SUPERSEDED }]);
    expect(await handles(fleet, 'session-0', phone.userId)).toEqual([22]);
    const again = await registered(one, { ...phone, handle: 11, epoch: first.epoch, again: true });
    expect(again.superseded).toBe(true);
  });

  it('closes the sockets of revoked devices', async () => {
    const fleet = await fleetOf(['session-0']);
    await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const userId = newId();
    const [phone, laptop] = [newId(), newId()];
    await registered(edge, { userId, deviceId: phone, handle: 1 });
    await registered(edge, { userId, deviceId: laptop, handle: 2 });
    const close = (deviceIds: string[]) =>
      fleet.pool.call('session-0', 'closeDevices', { request: { userId, deviceIds }, deadlineMs: 2_000 });
    expect(await close([phone])).toEqual({ closed: 1 });
    expect(await handles(fleet, 'session-0', userId)).toEqual([2]);
    expect(await close([])).toEqual({ closed: 1 });
    await waitFor(() => edge.evicts.length === 2);
    expect(edge.evicts.map(({ reason }) => reason)).toEqual([
      EvictReason.EVICT_REASON_REVOKED,
      EvictReason.EVICT_REASON_REVOKED,
    ]);
  });

  it('forgets the sessions of an edge that is killed when its lease ends, not before', async () => {
    const fleet = await fleetOf(['session-0'], { GODWIT_SESSION_LEASE: '1500ms' });
    const { directory } = await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const phone = device();
    await registered(edge, { ...phone, handle: 1 });
    edge.kill();
    expect(await handles(fleet, 'session-0', phone.userId)).toEqual([1]);
    await waitFor(async () => (await handles(fleet, 'session-0', phone.userId)).length === 0, { timeoutMs: 4_000 });
    await waitFor(() => directory.sessions === 0);
  });

  it('keeps the sessions of an edge that links again in time', async () => {
    const fleet = await fleetOf(['session-0'], { GODWIT_SESSION_LEASE: '1500ms' });
    await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const phone = device();
    await registered(edge, { ...phone, handle: 1 });
    edge.kill();
    await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const until = Date.now() + 2_500;
    await waitFor(
      async () => {
        expect(await handles(fleet, 'session-0', phone.userId)).toEqual([1]);
        return Date.now() > until;
      },
      { intervalMs: 100 },
    );
  });

  it('ends the sessions of an edge at once when it comes back as a new process', async () => {
    const fleet = await fleetOf(['session-0']);
    await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const phone = device();
    await registered(edge, { ...phone, handle: 1 });
    edge.kill();
    await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0', incarnation: 'i2' });
    await waitFor(async () => (await handles(fleet, 'session-0', phone.userId)).length === 0, { timeoutMs: 3_000 });
  });

  it('refuses bad requests and says which field', async () => {
    const fleet = await fleetOf(['session-0']);
    await fleet.start('session-0');
    const refused = async (call: Promise<unknown>): Promise<string | undefined> => {
      try {
        await call;
      } catch (error) {
        return `${String(errorInfo(error)?.reason)} ${String(errorInfo(error)?.field)}`;
      }
      return undefined;
    };
    const ask = (userIds: string[]) =>
      refused(fleet.pool.call('session-0', 'lookup', { request: { userIds }, deadlineMs: 2_000 }));
    expect(await ask(Array.from({ length: 1_001 }, newId))).toBe('TOO_MANY user_ids');
    for (const bad of ['$where', '__proto__', 'a.b', '*', '', newId().toUpperCase()]) {
      expect(await ask([newId(), bad])).toBe('INVALID_ARGUMENT user_ids[1]');
    }
    const close = { userId: newId(), deviceIds: ['{x}'] };
    expect(await refused(fleet.pool.call('session-0', 'closeDevices', { request: close, deadlineMs: 2_000 }))).toBe(
      'INVALID_ARGUMENT device_ids[0]',
    );
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    expect((await registered(edge, { userId: '__proto__', deviceId: newId(), handle: 1 })).superseded).toBe(true);
    // The stream goes on for everybody else.
    expect((await registered(edge, { ...device(), handle: 2 })).superseded).toBe(false);
  });
});

describe('Redis', () => {
  it('is written again when it was flushed', async () => {
    const fleet = await fleetOf(['session-0', 'session-1']);
    const zero = await fleet.start('session-0');
    await fleet.start('session-1');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const phones = Array.from({ length: 50 }, device);
    for (const [index, phone] of phones.entries()) await registered(edge, { ...phone, handle: index + 1 });
    await zero.directory.flush();
    await waitFor(() => fleet.pool.nodes.ring.members.length === 2);
    expect(await flush(fleet.namespace)).toBeGreaterThan(50);
    // A replica that has nothing in memory sees what Redis has.
    await waitFor(
      async () => {
        const found = await lookup(
          fleet,
          'session-1',
          phones.map(({ userId }) => userId),
        );
        return found.every((sessions) => sessions.length === 1);
      },
      { timeoutMs: 8_000 },
    );
  });

  it('makes a replica that restarts warm', async () => {
    const fleet = await fleetOf(['session-0']);
    const first = await fleet.start('session-0');
    const edge = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    const phone = device();
    const { epoch } = await registered(edge, { ...phone, handle: 3 });
    edge.kill();
    await fleet.stop(first);
    await fleet.start('session-0');
    // Nobody has linked yet: the session and the edge's lease are from Redis.
    expect(await waitFor(() => handles(fleet, 'session-0', phone.userId))).toEqual([3]);
    const other = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-1' });
    const taken = await registered(other, { ...phone, handle: 4 });
    expect(taken.epoch).toBeGreaterThan(epoch);
    expect(await handles(fleet, 'session-0', phone.userId)).toEqual([4]);
    // The former edge is told as soon as it is back.
    const back = await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' });
    await waitFor(() => back.evicts.length > 0);
    expect(back.evicts).toEqual([{ handle: 3, reason: EvictReason.EVICT_REASON_SUPERSEDED }]);
  });

  it('lets a second replica read through and take over', async () => {
    const fleet = await fleetOf(['session-0', 'session-1']);
    const zero = await fleet.start('session-0');
    await fleet.start('session-1');
    const [at0, at1] = [
      await edgeOf(fleet, { node: 'session-0', edgeId: 'edge-0' }),
      await edgeOf(fleet, { node: 'session-1', edgeId: 'edge-0' }),
    ];
    const phones = Array.from({ length: 20 }, device);
    for (const [index, phone] of phones.entries()) await registered(at0, { ...phone, handle: index + 1 });
    await zero.directory.flush();
    for (const [index, phone] of phones.entries()) {
      expect(await handles(fleet, 'session-1', phone.userId)).toEqual([index + 1]);
      await registered(at1, { ...phone, handle: index + 101 });
    }
    for (const [index, phone] of phones.entries()) {
      for (const node of ['session-0', 'session-1']) {
        await waitFor(async () => (await handles(fleet, node, phone.userId)).join() === String(index + 101));
      }
    }
    expect(at1.evicts.map(({ handle }) => handle).sort((a, b) => a - b)).toEqual(phones.map((_, index) => index + 1));
  });
});
