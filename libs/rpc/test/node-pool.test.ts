import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { RetryBudget } from '../src/retry-budget.js';
import { errorInfo, failedPrecondition, statusOf, unavailable } from '../src/rpc-error.js';
import { connectEcho, startEcho, type EchoServer, type EchoServerOptions } from './harness.js';

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

const fleet = async (count: number, options: (node: string) => EchoServerOptions = () => ({})) => {
  const servers: EchoServer[] = [];
  for (let index = 0; index < count; index++) {
    const node = `echo-${String(index)}`;
    const server = await startEcho(node, options(node));
    cleanup.push(() => server.life.stop());
    servers.push(server);
  }
  const pool = connectEcho(servers);
  cleanup.push(() => {
    pool.close();
  });
  const stop = async (node: string | undefined): Promise<void> => {
    await servers.find((server) => server.node === node)?.life.stop();
  };
  return { servers, pool, stop };
};

const KEY = 'g:conversation';
const call = { deadlineMs: 3_000, key: KEY };
const never = (): Promise<never> => new Promise(() => undefined);

describe('callOwner', () => {
  it('calls the owner, and its successor once the owner has gone', async () => {
    const { pool, stop } = await fleet(3);
    const [owner, second] = pool.nodes.ring.successors(KEY);
    expect((await pool.callOwner('echo', { text: '' }, { ...call, idempotent: true })).node).toBe(owner);
    await stop(owner);
    expect((await pool.callOwner('echo', { text: '' }, { ...call, idempotent: true })).node).toBe(second);
    expect(pool.nodes.pick(KEY)).toBe(second);
    // Set aside: even what can't be repeated goes to the successor at once.
    expect((await pool.callOwner('echo', { text: '' }, { ...call, idempotent: false })).node).toBe(second);
  });

  it('does not repeat what is not idempotent', async () => {
    const { pool, stop } = await fleet(2);
    await stop(pool.nodes.ring.owner(KEY));
    const error: unknown = await pool
      .callOwner('echo', { text: '' }, { ...call, idempotent: false })
      .catch((reason: unknown) => reason);
    expect(statusOf(error)).toBe(status.UNAVAILABLE);
  });

  it('goes on after 500 ms when the owner is frozen, and sets it aside after two such', async () => {
    const frozen = new Set<string | undefined>();
    let unanswered = 0;
    const freeze = (): Promise<never> => {
      unanswered++;
      return never();
    };
    const { pool } = await fleet(2, (node) => ({
      handlers: { echo: ({ text }) => (frozen.has(node) ? freeze() : Promise.resolve({ text, node })) },
    }));
    const [owner, second] = pool.nodes.ring.successors(KEY);
    frozen.add(owner);
    const first = performance.now();
    expect((await pool.callOwner('echo', { text: '' }, { ...call, idempotent: true })).node).toBe(second);
    expect(performance.now() - first).toBeGreaterThan(450);
    expect(pool.nodes.pick(KEY)).toBe(owner);
    await pool.callOwner('echo', { text: '' }, { ...call, idempotent: true });
    expect(pool.nodes.pick(KEY)).toBe(second);
    await pool.callOwner('echo', { text: '' }, { ...call, idempotent: true });
    expect(unanswered).toBe(2);
  });

  it('waits for a single replica that is being restarted', async () => {
    const { servers, pool, stop } = await fleet(1);
    await stop('echo-0');
    const answer = pool.callOwner('echo', { text: 'hi' }, { ...call, idempotent: true });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const again = await startEcho('echo-0', { port: servers[0]?.port ?? 0 });
    cleanup.push(() => again.life.stop());
    expect((await answer).text).toBe('hi');
  });

  it('leaves a single replica the time there is: asking it again would make it do the same twice', async () => {
    let calls = 0;
    const { pool } = await fleet(1, (node) => ({
      handlers: {
        echo: async ({ text }) => {
          calls++;
          await new Promise((resolve) => setTimeout(resolve, 700));
          return { text, node };
        },
      },
    }));
    expect((await pool.callOwner('echo', { text: 'slow' }, { ...call, idempotent: true })).text).toBe('slow');
    expect(calls).toBe(1);
  });

  it('has more patience with each round through slow replicas', async () => {
    let calls = 0;
    const { pool } = await fleet(2, (node) => ({
      handlers: {
        echo: async ({ text }) => {
          calls++;
          await new Promise((resolve) => setTimeout(resolve, 700));
          return { text, node };
        },
      },
    }));
    const slow = { ...call, deadlineMs: 5_000, idempotent: true };
    expect((await pool.callOwner('echo', { text: 'slow' }, slow)).text).toBe('slow');
    expect(calls).toBe(3);
  });

  it('gives up at its deadline, not before and not long after', async () => {
    const { pool, stop } = await fleet(2);
    await stop('echo-0');
    await stop('echo-1');
    const startedAt = performance.now();
    const error: unknown = await pool
      .callOwner('echo', { text: '' }, { key: KEY, deadlineMs: 800, idempotent: true })
      .catch((reason: unknown) => reason);
    // The last attempt was refused, or was still connecting when the time was up.
    expect([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]).toContain(statusOf(error));
    expect(performance.now() - startedAt).toBeGreaterThan(400);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('repeats what the service itself calls unavailable, without setting it aside', async () => {
    let refuse = true;
    const { pool } = await fleet(1, (node) => ({
      handlers: {
        echo: async ({ text }) => {
          if (refuse) {
            refuse = false;
            throw unavailable('LOADING', 'in a moment');
          }
          return { text, node };
        },
      },
    }));
    expect((await pool.callOwner('echo', { text: 'x' }, { ...call, idempotent: true })).text).toBe('x');
    expect(pool.nodes.health.isHealthy('echo-0')).toBe(true);
  });

  it('does not repeat a refusal', async () => {
    let calls = 0;
    const { pool } = await fleet(2, () => ({
      handlers: {
        echo: async () => {
          calls++;
          throw failedPrecondition('NOT_OWNER', 'ask another');
        },
      },
    }));
    const error: unknown = await pool
      .callOwner('echo', { text: '' }, { ...call, idempotent: true })
      .catch((reason: unknown) => reason);
    expect(errorInfo(error)?.reason).toBe('NOT_OWNER');
    expect(calls).toBe(1);
  });

  it('ends when its signal aborts', async () => {
    const { pool } = await fleet(2, () => ({ handlers: { echo: never } }));
    const abort = new AbortController();
    setTimeout(() => {
      abort.abort();
    }, 50);
    const error: unknown = await pool
      .callOwner('echo', { text: '' }, { ...call, idempotent: true, signal: abort.signal })
      .catch((reason: unknown) => reason);
    expect(statusOf(error)).toBe(status.CANCELLED);
    expect(pool.nodes.names.every((name) => pool.nodes.health.isHealthy(name))).toBe(true);
  });
});

describe('callAny', () => {
  it('takes turns, and leaves out who is gone', async () => {
    const { pool, stop } = await fleet(3);
    const ask = async (): Promise<string> =>
      (await pool.callAny('echo', { text: '' }, { deadlineMs: 3_000, idempotent: true })).node;
    expect(new Set([await ask(), await ask(), await ask()]).size).toBe(3);
    await stop('echo-1');
    const after = new Set<string>();
    for (let index = 0; index < 6; index++) after.add(await ask());
    expect([...after].sort()).toEqual(['echo-0', 'echo-2']);
  });
});

describe('the retry budget', () => {
  it('allows a fifth of the calls, and a few a second where there are few', () => {
    let now = 0;
    const budget = new RetryBudget(() => now);
    let spent = 0;
    while (budget.withdraw()) spent++;
    expect(spent).toBe(50);
    for (let index = 0; index < 100; index++) budget.deposit();
    spent = 0;
    while (budget.withdraw()) spent++;
    expect(spent).toBe(20);
    now += 1_000;
    spent = 0;
    while (budget.withdraw()) spent++;
    expect(spent).toBe(10);
  });
});
