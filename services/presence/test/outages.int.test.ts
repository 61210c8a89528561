import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { newId } from '@godwit/ids/id';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startNats } from '@godwit/local-stack/servers/start-nats';
import { startRedisCluster } from '@godwit/local-stack/servers/start-redis';
import { freePort, freePorts } from '@godwit/testkit/free-port';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, expect, it } from 'vitest';
import { createTestFleet, People, TestEdge, type TestFleet } from './service-fixture.js';

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const ownServer = async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'godwit-presence-'));
  opened.push(() => rm(dir, { recursive: true, force: true }));
  const watchdog = Watchdog.start();
  opened.push(() => watchdog.close());
  return { dir, watchdog };
};

const fleetOn = async (servers: Partial<ReturnType<typeof testServers>>): Promise<TestFleet> => {
  const fleet = await createTestFleet({
    names: ['presence-0', 'presence-1'],
    servers: { ...testServers(), ...servers },
    namespace: uniqueNamespace(),
    overrides: new People().overrides,
    env: { GODWIT_PRESENCE_LEASE: '5s' },
  });
  opened.push(() => fleet[Symbol.asyncDispose]());
  await fleet.start('presence-0');
  await fleet.start('presence-1');
  return fleet;
};

const edgeOf = async (fleet: TestFleet, node: string, edgeId: string): Promise<TestEdge> => {
  const edge = new TestEdge(fleet.pool, { node, edgeId });
  opened.push(async () => edge.kill());
  await waitFor(() => edge.ups > 0);
  return edge;
};

const seen = (edge: TestEdge, [handle, userId]: readonly [number, string], online: boolean) =>
  waitFor(() => edge.sees(handle, userId)?.online === online, {
    what: `socket ${String(handle)} to see ${online ? 'online' : 'offline'}`,
    timeoutMs: 20_000,
  });

it('goes on within a replica while NATS is stopped, and catches up when it is back', async () => {
  const nats = await startNats({ ...(await ownServer()), ports: [await freePort()] });
  opened.push(() => nats.stop());
  const fleet = await fleetOn({ natsUrl: nats.url });
  const [ann, bob, eve] = [newId(), newId(), newId()];
  const here = await edgeOf(fleet, 'presence-0', 'edge-0');
  const there = await edgeOf(fleet, 'presence-1', 'edge-1');
  here.connect(1, ann);
  here.subscribe(1, ann, { userIds: [bob, eve] });
  await seen(here, [1, bob], false);
  await nats.kill();
  here.connect(2, bob);
  there.connect(2, eve);
  await seen(here, [1, bob], true);
  here.disconnect(2);
  await seen(here, [1, bob], false);
  expect(here.sees(1, eve)?.online).toBe(false);
  await nats.start();
  await seen(here, [1, eve], true);
  there.disconnect(2);
  await seen(here, [1, eve], false);
}, 60_000);

it('goes on from what it sees while Redis is gone, and fills an empty one', async () => {
  const redis = await startRedisCluster({ ...(await ownServer()), ports: await freePorts(3) });
  opened.push(() => redis.stop());
  const fleet = await fleetOn({ redisUrl: redis.url });
  const [ann, bob, eve, viewer] = [newId(), newId(), newId(), newId()];
  const edge = await edgeOf(fleet, 'presence-0', 'edge-0');
  edge.connect(1, ann);
  edge.connect(2, bob);
  edge.subscribe(1, ann, { userIds: [bob, eve] });
  await seen(edge, [1, bob], true);
  await redis.kill();
  edge.connect(3, eve);
  await seen(edge, [1, eve], true);
  edge.disconnect(2);
  await seen(edge, [1, bob], false);
  await redis.start();
  // The other replica has but Redis to know from.
  const ask = async (userId: string) => {
    const request = { userIds: [userId] };
    const { presences } = await fleet.pool.call('presence-1', 'getPresence', {
      request,
      user: viewer,
      deadlineMs: 2_000,
    });
    return presences[0];
  };
  await waitFor(async () => (await ask(eve))?.online, { timeoutMs: 20_000, what: 'Redis to be full again' });
  expect(await ask(bob)).toMatchObject({ online: false });
  expect((await ask(bob))?.lastSeenMs).toBeGreaterThan(0);
}, 60_000);
