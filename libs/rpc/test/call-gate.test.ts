import { status } from '@grpc/grpc-js';
import { deferred, type Deferred } from '@godwit/runtime/deferred';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallGate } from '../src/call-gate.js';
import { errorInfo, statusOf } from '../src/rpc-error.js';
import { connectEcho, startEcho, type EchoRequest } from './harness.js';

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

/** A service with room for one call at a time, which lasts until it is let go. */
const gated = async (maxWaiting = 10) => {
  const gate = new CallGate({ maxRunning: 1, maxWaiting });
  const started: string[] = [];
  const held: Deferred<void>[] = [];
  const work = async ({ text }: EchoRequest) => {
    started.push(text);
    const hold = deferred<void>();
    held.push(hold);
    await hold.promise;
    return { text, node: 'echo-0' };
  };
  const server = await startEcho('echo-0', { handlers: { echo: gate.around(work) } });
  const pool = connectEcho([server]);
  cleanup.push(() => server.life.stop());
  cleanup.push(() => {
    pool.close();
  });
  const call = (text: string, deadlineMs = 5_000, signal?: AbortSignal) =>
    pool.callAny('echo', { text }, { deadlineMs, idempotent: false, signal });
  const letGo = (): void => {
    held.shift()?.resolve();
  };
  return { gate, started, call, letGo };
};

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a gate', () => {
  it('never works on more calls than it has room for, and keeps their order', async () => {
    const { started, call, letGo } = await gated();
    const answers = ['a', 'b', 'c'].map((text) => call(text));
    for (let done = 1; done <= 3; done++) {
      await vi.waitFor(() => expect(started).toHaveLength(done));
      letGo();
    }
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(started);
  });

  it('drops what waits once its caller has given up or gone away', async () => {
    const { gate, started, call, letGo } = await gated();
    const first = call('first');
    await vi.waitFor(() => expect(started).toHaveLength(1));
    const gone = new AbortController();
    const left = Promise.all([failure(call('late', 300)), failure(call('cancelled', 5_000, gone.signal))]);
    await vi.waitFor(() => expect(gate.waiting).toBe(2));
    gone.abort();
    expect((await left).map((error) => statusOf(error))).toEqual([status.DEADLINE_EXCEEDED, status.CANCELLED]);
    await vi.waitFor(() => expect(gate.waiting).toBe(0));
    const last = call('last');
    letGo();
    await first;
    await vi.waitFor(() => expect(started).toHaveLength(2));
    letGo();
    expect((await last).text).toBe('last');
    expect(started).toEqual(['first', 'last']);
  });

  it('refuses what it has no place for', async () => {
    const { started, call, letGo } = await gated(1);
    const first = call('first');
    await vi.waitFor(() => expect(started).toHaveLength(1));
    const others = ['b', 'c'].map((text) => call(text));
    const refused = await Promise.race(others.map(failure));
    expect(errorInfo(refused)).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED' });
    letGo();
    await first;
    await vi.waitFor(() => expect(started).toHaveLength(2));
    letGo();
    const settled = await Promise.allSettled(others);
    expect(settled.filter(({ status: outcome }) => outcome === 'fulfilled')).toHaveLength(1);
  });
});
