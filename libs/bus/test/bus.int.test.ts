import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as rawConnect } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startNats } from '@godwit/local-stack/servers/start-nats';
import type { Server } from '@godwit/local-stack/servers/server';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BusUnavailable } from '../src/bus-unavailable.js';
import { connectBus, type Bus, type BusOptions } from '../src/bus.js';
import { ensureStreams } from '../src/ensure-streams.js';
import { ACCOUNT, GROUP, PUSH, type StreamDeclaration } from '../src/streams.js';
import {
  accountAll,
  accountProfile,
  accountRelations,
  presenceOfAllUsers,
  presenceOfUser,
  pushWake,
  typingIn,
} from '../src/subjects.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (payload: Uint8Array): string => Buffer.from(payload).toString();
const metrics = createMetrics({ service: 'test', node: 'test-0', processMetrics: false });

const open: Bus[] = [];
const connect = (options: Pick<BusOptions, 'url' | 'namespace'> & Partial<BusOptions>): Bus => {
  const bus = connectBus({ name: 'test-0', logger: silentLogger, metrics, ...options });
  open.push(bus);
  return bus;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((bus) => bus.close()));
});

/** Stored as soon as the streams are there. */
const storeSoon = (bus: Bus, user: string, payload: string): Promise<unknown> =>
  waitFor(async () => {
    await bus.store(pushWake(user), bytes(payload));
    return true;
  });

describe('on a server that is there', () => {
  let namespace = '';
  const url = (): string => testServers().natsUrl;
  beforeEach(() => {
    namespace = uniqueNamespace();
  });

  it('core messages reach who listens, one of each queue, and only in their namespace', async () => {
    const here = connect({ url: url(), namespace });
    const other = connect({ url: url(), namespace: uniqueNamespace() });
    const heard: string[] = [];
    const queued: string[] = [];
    here.subscribe(presenceOfAllUsers, (payload, subject) => heard.push(`${subject} ${text(payload)}`));
    for (const worker of ['a', 'b']) here.subscribe(presenceOfAllUsers, () => queued.push(worker), 'workers');
    other.subscribe(presenceOfAllUsers, () => heard.push('elsewhere'));
    await waitFor(() => here.connected && other.connected);
    await delay(50);
    for (let index = 0; index < 20; index++) here.publish(presenceOfUser('u1'), bytes(String(index)));
    here.publish(typingIn('g:x'), bytes('not for presence'));
    await waitFor(() => heard.length === 20 && queued.length === 20);
    expect(heard[7]).toBe('presence.user.u1 7');
  });

  it('a listener that throws costs one message', async () => {
    const bus = connect({ url: url(), namespace });
    const heard: string[] = [];
    const stop = bus.subscribe(presenceOfAllUsers, (payload) => {
      if (text(payload) === 'poison') throw new Error('bug');
      heard.push(text(payload));
    });
    await waitFor(() => bus.connected);
    for (const payload of ['a', 'poison', 'b']) bus.publish(presenceOfUser('u1'), bytes(payload));
    await waitFor(() => heard.length === 2);
    stop();
    bus.publish(presenceOfUser('u1'), bytes('c'));
    await delay(50);
    expect(heard).toEqual(['a', 'b']);
  });

  it('jobs are shared by the replicas of a durable, each done once', async () => {
    const bus = connect({ url: url(), namespace, streams: [PUSH] });
    const abort = new AbortController();
    const done: string[] = [];
    const atWork = new Set<string>();
    const workers = ['w0', 'w1'].map((worker) =>
      connect({ url: url(), namespace }).consume(
        PUSH,
        async ({ payload, subject, delivery, storedAt }) => {
          // One that is up first must not do it all.
          atWork.add(worker);
          await waitFor(() => atWork.size === 2);
          expect(delivery).toBe(1);
          expect(Math.abs(storedAt - Date.now())).toBeLessThan(60_000);
          done.push(`${worker} ${subject} ${text(payload)}`);
        },
        { durable: 'push', signal: abort.signal, concurrency: 4 },
      ),
    );
    await storeSoon(bus, 'u1', 'first');
    await Promise.all(Array.from({ length: 100 }, (_, index) => bus.store(pushWake('u2'), bytes(String(index)))));
    await waitFor(() => done.length === 101);
    await delay(100);
    expect(new Set(done.map((entry) => entry.slice(3))).size).toBe(101);
    expect(new Set(done.map((entry) => entry.slice(0, 2)))).toEqual(new Set(['w0', 'w1']));
    abort.abort();
    await Promise.all(workers.map((worker) => worker.done));
  });

  it('the same id is stored once', async () => {
    const bus = connect({ url: url(), namespace, streams: [PUSH] });
    const abort = new AbortController();
    const done: string[] = [];
    await storeSoon(bus, 'u1', 'a');
    for (let index = 0; index < 3; index++) await bus.store(pushWake('u1'), bytes('b'), { id: 'wake-b' });
    const { done: stopped } = bus.consume(PUSH, async ({ payload }) => void done.push(text(payload)), {
      durable: 'push',
      signal: abort.signal,
    });
    await waitFor(() => done.length === 2);
    await delay(100);
    expect(done).toEqual(['a', 'b']);
    abort.abort();
    await stopped;
  });

  it('a failed job comes again, and is given up in the end', async () => {
    const bus = connect({ url: url(), namespace, streams: [PUSH] });
    const abort = new AbortController();
    const tries: string[] = [];
    const consumption = bus.consume(
      PUSH,
      async ({ payload, delivery }) => {
        tries.push(`${text(payload)}${String(delivery)}`);
        if (text(payload) === 'bad' || delivery === 1) throw new Error('not yet');
      },
      { durable: 'push', signal: abort.signal, maxDeliveries: 2 },
    );
    await storeSoon(bus, 'u1', 'good');
    await bus.store(pushWake('u1'), bytes('bad'));
    await waitFor(() => tries.length === 4, { timeoutMs: 10_000 });
    await delay(1_500);
    expect(tries.sort()).toEqual(['bad1', 'bad2', 'good1', 'good2']);
    expect(await metrics.registry.metrics()).toMatch(/godwit_bus_consumed_total\{.*outcome="term".*\} 1/);
    abort.abort();
    await consumption.done;
  });

  it('stopping finishes the jobs in hand', async () => {
    const bus = connect({ url: url(), namespace, streams: [PUSH] });
    const abort = new AbortController();
    let started = 0;
    let finished = 0;
    const consumption = bus.consume(
      PUSH,
      async () => {
        started++;
        await delay(200);
        finished++;
      },
      { durable: 'push', signal: abort.signal },
    );
    await storeSoon(bus, 'u1', 'x');
    await waitFor(() => started === 1);
    abort.abort();
    await consumption.done;
    expect(finished).toBe(1);
  });

  it('facts reach every follower', async () => {
    const bus = connect({ url: url(), namespace, streams: [ACCOUNT, GROUP] });
    const heard: string[] = [];
    let gaps = 0;
    for (const follower of ['f0', 'f1']) {
      bus.follow(accountAll, {
        onFact: (payload, subject) => heard.push(`${follower} ${subject} ${text(payload)}`),
        onGap: () => gaps++,
      });
    }
    await waitFor(async () => {
      await bus.store(accountProfile('u1'), bytes('p'));
      return true;
    });
    await bus.store(accountRelations('u1'), bytes('r'));
    await waitFor(() => heard.filter((entry) => entry.endsWith('account.relations.u1 r')).length === 2);
    expect(gaps).toBe(2);
  });
});

describe('on a server that comes and goes', () => {
  let watchdog: Watchdog;
  let nats: Server;
  const namespace = 'outage';

  beforeAll(async () => {
    watchdog = Watchdog.start();
    const dir = await mkdtemp(join(tmpdir(), 'godwit-bus-'));
    watchdog.removeAtEnd(dir);
    nats = await startNats({ dir, ports: [await freePort()], watchdog });
  });
  afterAll(async () => {
    await watchdog.close();
  });

  it('refuses at once while it is away, and does its work when it is back', async () => {
    await nats.stop();
    const bus = connect({ url: nats.url, namespace, streams: [PUSH, ACCOUNT] });
    expect(() => {
      bus.publish(presenceOfUser('u1'), bytes('x'));
    }).toThrow(BusUnavailable);
    await expect(bus.store(pushWake('u1'), bytes('x'))).rejects.toThrow(BusUnavailable);
    const heard: string[] = [];
    const done: string[] = [];
    let gaps = 0;
    const abort = new AbortController();
    bus.follow(accountAll, { onFact: (payload) => heard.push(text(payload)), onGap: () => gaps++ });
    const consumption = bus.consume(PUSH, async ({ payload }) => void done.push(text(payload)), {
      durable: 'push',
      signal: abort.signal,
    });

    await nats.start();
    await waitFor(() => bus.connected, { timeoutMs: 10_000 });
    await storeSoon(bus, 'u1', 'one');
    await waitFor(() => done.includes('one'), { timeoutMs: 10_000 });
    expect(gaps).toBe(1);

    await nats.kill();
    await waitFor(() => !bus.connected);
    await expect(bus.store(pushWake('u1'), bytes('x'))).rejects.toThrow(BusUnavailable);
    await nats.start();
    await waitFor(() => bus.connected, { timeoutMs: 10_000 });
    expect(gaps).toBe(2);
    await storeSoon(bus, 'u1', 'two');
    await waitFor(() => done.includes('two'), { timeoutMs: 20_000 });
    await waitFor(async () => {
      await bus.store(accountProfile('u1'), bytes('p'));
      return heard.includes('p');
    });
    abort.abort();
    await consumption.done;
  });

  it('brings limits of a stream up to date, but leaves it room it was given', async () => {
    const raw = await rawConnect({ servers: nats.url });
    const manager = await jetstreamManager(raw);
    const ensure = (stream: StreamDeclaration): Promise<void> =>
      ensureStreams(manager, { namespace: 'limits', streams: [stream], replicas: 1 });
    const config = async () => (await manager.streams.info('limits_PUSH')).config;
    await Promise.all([ensure(PUSH), ensure(PUSH)]);
    expect(await config()).toMatchObject({
      max_bytes: PUSH.maxBytes,
      max_age: PUSH.maxAgeMs * 1e6,
      retention: 'workqueue',
    });
    await manager.streams.update('limits_PUSH', { max_bytes: PUSH.maxBytes * 2 });
    await ensure({ ...PUSH, maxAgeMs: 60_000, dedupeMs: 60_000 });
    expect(await config()).toMatchObject({ max_bytes: PUSH.maxBytes * 2, max_age: 60_000 * 1e6 });
    await raw.close();
  });

  it('makes a stream again that the server has lost', async () => {
    const bus = connect({ url: nats.url, namespace: 'lost', streams: [PUSH] });
    const done: string[] = [];
    const abort = new AbortController();
    const consumption = bus.consume(PUSH, async ({ payload }) => void done.push(text(payload)), {
      durable: 'push',
      signal: abort.signal,
    });
    await storeSoon(bus, 'u1', 'one');
    await waitFor(() => done.includes('one'));
    const raw = await rawConnect({ servers: nats.url });
    await (await jetstreamManager(raw)).streams.delete('lost_PUSH');
    await raw.close();
    await waitFor(
      async () => {
        await bus.store(pushWake('u1'), bytes('two'));
        return true;
      },
      { timeoutMs: 10_000 },
    );
    await waitFor(() => done.includes('two'), { timeoutMs: 20_000 });
    abort.abort();
    await consumption.done;
  });
});
