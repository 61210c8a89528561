import { promises as dns } from 'node:dns';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseNodes } from '@godwit/ring/node-address';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { connectNodes } from '../src/node-pool.js';
import { DNS_REFRESH_MS } from '../src/refreshed-dns.js';
import { EchoService, startEcho, TOKEN, type EchoServer } from './harness.js';

const NAME = 'echo.replicas.test';
const PODS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'] as const;

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Like pods behind a headless Service: one name, one port, an address each; `published` is what the name has. */
async function startPods() {
  const published: string[] = [PODS[0], PODS[1]];
  const lookup = vi.spyOn(dns, 'lookup') as unknown as { mockImplementation: (lookup: unknown) => void };
  lookup.mockImplementation(async (host: string) => {
    expect(host).toBe(NAME);
    return published.map((address) => ({ address, family: 4 }));
  });
  const start = async (host: string, port: number): Promise<EchoServer> => {
    const pod = await startEcho(host, { listen: { host, port } });
    cleanup.push(() => pod.life.stop());
    return pod;
  };
  const first = await start(PODS[0], 0);
  const { port } = first;
  const second = await start(PODS[1], port);
  const pool = connectNodes(EchoService, {
    nodes: parseNodes(`echo=${NAME}:${String(port)}`),
    self: 'tester-0',
    fleetToken: [TOKEN],
    logger: silentLogger,
    metrics: createMetrics({ service: 'tester', node: 'tester-0', processMetrics: false }),
  });
  cleanup.push(() => {
    pool.close();
  });
  const call = async (): Promise<string> =>
    (await pool.callAny('echo', { text: '' }, { deadlineMs: 3_000, idempotent: true })).node;
  return { published, pods: [first, second] as const, port, pool, call, start: (host: string) => start(host, port) };
}

/** Who answered how many of the next calls. */
async function answers(call: () => Promise<string>, count: number): Promise<Map<string, number>> {
  const by = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const pod = await call();
    by.set(pod, (by.get(pod) ?? 0) + 1);
  }
  return by;
}

const untilHeardFrom = (call: () => Promise<string>, pods: readonly string[]): Promise<void> =>
  expect.poll(async () => [...(await answers(call, 2 * pods.length)).keys()].sort(), { timeout: 5_000 }).toEqual(pods);

describe('replicas behind one name', () => {
  it('are called in turn', async () => {
    const { call } = await startPods();
    await untilHeardFrom(call, PODS.slice(0, 2));
    expect(await answers(call, 20)).toEqual(
      new Map([
        [PODS[0], 10],
        [PODS[1], 10],
      ]),
    );
  });

  it('lose no call when one of them stops', async () => {
    const { call, pods } = await startPods();
    await untilHeardFrom(call, PODS.slice(0, 2));
    let stopped = false;
    const stopping = pods[0].life.stop().then(() => (stopped = true));
    // All the while, and some more: whoever is asked answers.
    while (!stopped) await call();
    await stopping;
    expect(await answers(call, 20)).toEqual(new Map([[PODS[1], 20]]));
  });

  it('get calls soon after they were added, though no connection broke', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { call, published, start } = await startPods();
    await untilHeardFrom(call, PODS.slice(0, 2));
    await start(PODS[2]);
    published.push(PODS[2]);
    expect((await answers(call, 20)).has(PODS[2])).toBe(false);
    vi.advanceTimersByTime(DNS_REFRESH_MS);
    await untilHeardFrom(call, PODS);
  });

  it('keep their streams when others come', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { call, pool, published, start } = await startPods();
    const heard: string[] = [];
    let downs = 0;
    const link = pool.link('echo', 'link', {
      onFrame: ({ text }) => heard.push(text),
      onDown: () => downs++,
    });
    cleanup.push(() => {
      link.close();
    });
    await expect.poll(() => link.up).toBe(true);
    await start(PODS[2]);
    published.push(PODS[2]);
    vi.advanceTimersByTime(DNS_REFRESH_MS);
    await untilHeardFrom(call, PODS);
    link.send({ text: 'still here' });
    await expect.poll(() => heard.length).toBe(1);
    expect(downs).toBe(0);
  });
});
