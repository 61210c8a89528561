import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { newId } from '@godwit/ids/id';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startRedisCluster } from '@godwit/local-stack/servers/start-redis';
import { freePorts } from '@godwit/testkit/free-port';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, expect, it } from 'vitest';
import { createTestFleet, TestEdge } from './service-fixture.js';

const opened: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of opened.reverse()) await close();
});

it('works from memory while Redis is gone, and writes it all when a new, empty one is there', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'godwit-session-'));
  opened.push(() => rm(dir, { recursive: true, force: true }));
  const watchdog = Watchdog.start();
  opened.push(() => watchdog.close());
  const redis = await startRedisCluster({ dir, ports: await freePorts(3), watchdog });
  opened.push(() => redis.stop());
  const fleet = await createTestFleet({
    names: ['session-0', 'session-1'],
    redisUrl: redis.url,
    namespace: uniqueNamespace(),
  });
  opened.push(() => fleet[Symbol.asyncDispose]());
  await fleet.start('session-0');
  await fleet.start('session-1');
  const edge = new TestEdge(fleet.pool, { node: 'session-0', edgeId: 'edge-0' });
  opened.push(async () => edge.kill());
  await waitFor(() => edge.ups > 0);
  const registered = async (userId: string, handle: number) => {
    const requestId = edge.register({ userId, deviceId: userId, handle });
    return waitFor(() => edge.registered.get(requestId), { timeoutMs: 3_000, what: 'an answer to register' });
  };
  const handles = async (node: string, userId: string): Promise<string> => {
    const request = { userIds: [userId] };
    const { users } = await fleet.pool.call(node, 'lookup', { request, deadlineMs: 2_000 });
    return users.flatMap(({ sessions }) => sessions.map(({ handle }) => handle)).join();
  };

  const [before, during] = [newId(), newId()];
  await registered(before, 1);
  await redis.kill();
  await registered(during, 2);
  await registered(during, 3);
  await waitFor(() => edge.evicts.length === 1);
  expect(await handles('session-0', before)).toBe('1');
  expect(await handles('session-0', during)).toBe('3');
  await redis.start();
  await waitFor(async () => (await handles('session-1', before)) === '1', {
    timeoutMs: 20_000,
    what: 'Redis to be full again',
  });
  await waitFor(async () => (await handles('session-1', during)) === '3', { timeoutMs: 20_000 });
}, 60_000);
