import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startNats, type NatsServer } from '@godwit/local-stack/servers/start-nats';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { waitFor } from '@godwit/testkit/wait-for';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectBus, type Bus } from '../src/bus.js';
import { EVENTS, PUSH } from '../src/streams.js';
import { eventsOf, pushWake } from '../src/subjects.js';

// What docs/runbooks/nats-store-lost.md says of three servers: disks are lost with what is on them.

const namespace = 'disks';
const PATIENT = { timeoutMs: 60_000 };
const wakes = new AbortController();
const woken: string[] = [];
let watchdog: Watchdog;
let nats: NatsServer;
let raw: NatsConnection;
let bus: Bus;
let consumed: Promise<void>;

beforeAll(async () => {
  watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-bus-'));
  watchdog.removeAtEnd(dir);
  nats = await startNats({ dir, ports: await freePorts(3), watchdog });
  raw = await connect({ servers: nats.url.split(','), maxReconnectAttempts: -1, reconnectTimeWait: 200 });
  const metrics = createMetrics({ service: 'test', node: 'test-0', processMetrics: false });
  const ours = { namespace, name: 'test-0', logger: silentLogger, metrics };
  bus = connectBus({ ...ours, url: nats.url, streams: [PUSH, EVENTS], streamReplicas: 3 });
  const onWake = ({ payload }: { readonly payload: Uint8Array }): Promise<void> => {
    woken.push(Buffer.from(payload).toString());
    return Promise.resolve();
  };
  consumed = bus.consume(PUSH, onWake, { durable: 'push', signal: wakes.signal }).done;
});
afterAll(async () => {
  wakes.abort();
  await consumed;
  await bus.close();
  await raw.close();
  await watchdog.close();
});

const state = async () =>
  (await jetstreamManager(raw, { timeout: 2_000, checkAPI: false })).streams.info('disks_EVENTS');

const storeFact = (): Promise<unknown> =>
  waitFor(async () => {
    await bus.store(eventsOf('router', 1), Buffer.from('fact'));
    return true;
  }, PATIENT);

/** The services have made the streams, all three servers have a copy, and jobs are worked on. */
const goesOn = async (wake: string): Promise<void> => {
  await storeFact();
  await waitFor(async () => {
    const { cluster } = await state();
    return cluster?.replicas?.filter(({ current }) => current).length === 2;
  }, PATIENT);
  await waitFor(async () => {
    await bus.store(pushWake('u1'), Buffer.from(wake));
    return true;
  }, PATIENT);
  await waitFor(() => woken.includes(wake), PATIENT);
};

it('one of three: nothing is lost, and it gets its copy again', async () => {
  await goesOn('before');
  for (let facts = 1; facts < 50; facts++) await storeFact();
  const { messages } = (await state()).state;
  expect(messages).toBeGreaterThanOrEqual(50);
  await nats.wipe([1]);
  await goesOn('one lost');
  expect((await state()).state.messages).toBeGreaterThan(messages);
});

it('two of three: what the third has is lost too, and all go on once it is wiped like them', async () => {
  await nats.wipe([0, 1]);
  await nats.wipe();
  await goesOn('all lost');
  expect((await state()).state.messages).toBeLessThan(50);
});
