import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import type { Server } from '@godwit/local-stack/servers/server';
import { startRedisCluster } from '@godwit/local-stack/servers/start-redis';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis, RedisUnavailable, type RedisStore } from '../src/connect.js';
import { keyspace } from '../src/keys.js';
import { Markers } from '../src/markers.js';

const open: RedisStore[] = [];
const connect = (url: string): RedisStore => {
  const store = connectRedis({ url, logger: silentLogger });
  open.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
});

describe('a cluster that is there', () => {
  it('serves keys of every slot, and scripts over the keys of one tag', async () => {
    const store = connect(testServers().redisUrl);
    const keys = keyspace(uniqueNamespace(), 'session');
    await waitFor(() => store.available);
    const users = Array.from({ length: 60 }, (_, index) => `u${String(index)}`);
    await Promise.all(users.map((user) => store.run((redis) => redis.set(keys.key(user), user))));
    expect(await Promise.all(users.map((user) => store.run((redis) => redis.get(keys.key(user)))))).toEqual(users);
    const script = "redis.call('SET', KEYS[2], redis.call('GET', KEYS[1])) return redis.call('GET', KEYS[2])";
    const copy = await store.run((redis) => redis.eval(script, 2, keys.key('u7'), keys.key('u7', 'copy')));
    expect(copy).toBe('u7');
  });

  it('shows by markers that it has forgotten what a run of a process wrote, on one master alone too', async () => {
    const store = connect(testServers().redisUrl);
    await waitFor(() => store.available);
    const options = { keys: keyspace(uniqueNamespace(), 'session'), self: 'session-0', ttlMs: 60_000 };
    const markers = new Markers({ ...options, incarnation: 'i1' });
    const intact = (of: Markers): Promise<boolean> => store.run((redis) => of.intact(redis));
    expect(await intact(markers)).toBe(false);
    await store.run((redis) => markers.set(redis));
    expect(await intact(markers)).toBe(true);
    expect(await intact(new Markers({ ...options, incarnation: 'i2' }))).toBe(false);
    expect(await store.run((redis) => redis.del(options.keys.key('session-0.3', 'marker')))).toBe(1);
    expect(await intact(markers)).toBe(false);
  });

  it('gives errors of Redis as they are', async () => {
    const store = connect(testServers().redisUrl);
    const key = keyspace(uniqueNamespace(), 'x').key('u1');
    await waitFor(() => store.available);
    await store.run((redis) => redis.set(key, 'text'));
    await expect(store.run((redis) => redis.hget(key, 'field'))).rejects.toThrow(/WRONGTYPE/);
  });

  it('gives up on an answer that does not come', async () => {
    const store = connect(testServers().redisUrl);
    await waitFor(() => store.available);
    const startedAt = performance.now();
    const never = store.run(() => new Promise<string>(() => undefined));
    await expect(never).rejects.toThrow(RedisUnavailable);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('a cluster that goes away', () => {
  let watchdog: Watchdog;
  let redis: Server;

  beforeAll(async () => {
    watchdog = Watchdog.start();
    const dir = await mkdtemp(join(tmpdir(), 'godwit-redis-'));
    watchdog.removeAtEnd(dir);
    redis = await startRedisCluster({ dir, ports: await freePorts(3), watchdog });
  });
  afterAll(async () => {
    await watchdog.close();
  });

  it('costs an error at once, and is used again when it is back', async () => {
    const keys = keyspace('away', 'x');
    const store = connect(redis.url);
    let ups = 0;
    store.onAvailable(() => ups++);
    await waitFor(() => store.available);
    await store.run((client) => client.set(keys.key('u1'), '1'));

    await redis.kill();
    await waitFor(async () => {
      const error: unknown = await store.run((client) => client.get(keys.key('u1'))).catch((reason: unknown) => reason);
      return error instanceof RedisUnavailable;
    });
    const startedAt = performance.now();
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.run((client) => client.get(keys.key(`u${String(index)}`))).catch((reason: unknown) => reason),
      ),
    );
    expect(outcomes.every((outcome) => outcome instanceof RedisUnavailable)).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(1_500);

    await redis.start();
    await waitFor(async () => (await store.run((client) => client.set(keys.key('u2'), '2'))) === 'OK', {
      timeoutMs: 15_000,
    });
    for (let index = 0; index < 30; index++) {
      await waitFor(
        async () => (await store.run((client) => client.set(keys.key(`v${String(index)}`), '2'))) === 'OK',
        { timeoutMs: 5_000 },
      );
    }
    await waitFor(() => store.available);
    await waitFor(() => ups === 2, { timeoutMs: 8_000 });
  });

  it('is connected to although it was away at the start', async () => {
    await redis.stop();
    const store = connect(redis.url);
    await expect(store.run((client) => client.get('x'))).rejects.toThrow(RedisUnavailable);
    expect(store.available).toBe(false);
    await redis.start();
    await waitFor(() => store.available, { timeoutMs: 15_000 });
  });

  it('frozen costs a bounded wait', async () => {
    const store = connect(redis.url);
    let ups = 0;
    store.onAvailable(() => ups++);
    await waitFor(() => ups === 1, { timeoutMs: 10_000 });
    const pids = redis.processes.map(({ pid }) => pid).filter((pid) => pid !== undefined);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      const startedAt = performance.now();
      await expect(store.run((client) => client.get('x'))).rejects.toThrow(RedisUnavailable);
      expect(performance.now() - startedAt).toBeLessThan(1_500);
      await waitFor(async () => {
        await store.run((client) => client.get('x')).catch(() => undefined);
        return !store.available;
      });
      // Now it refuses without a word to Redis.
      const atOnce = store.run((client) => client.get('x')).catch((reason: unknown) => reason);
      expect(await Promise.race([atOnce, turn()])).toBeInstanceOf(RedisUnavailable);
      expect(ups).toBe(1);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await waitFor(async () => (await store.run((client) => client.set('x', '1'))) === 'OK', { timeoutMs: 10_000 });
    await waitFor(() => ups === 2, { timeoutMs: 8_000 });
  });
});
