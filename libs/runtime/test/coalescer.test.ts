import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Coalescer, type CoalescerOptions } from '../src/coalescer.js';
import { deferred } from '../src/deferred.js';

const make = (options: Partial<CoalescerOptions<string, number>> = {}) => {
  const flushed: Record<string, number>[] = [];
  const errors: unknown[] = [];
  const coalescer = new Coalescer<string, number>({
    intervalMs: 100,
    merge: Math.max,
    maxKeys: 10,
    flush: (entries) => {
      flushed.push(Object.fromEntries(entries));
    },
    onError: (error) => errors.push(error),
    ...options,
  });
  return { coalescer, flushed, errors };
};

describe('Coalescer', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('merges by key and flushes once an interval', async () => {
    const { coalescer, flushed } = make();
    coalescer.set('a', 3);
    coalescer.set('a', 2);
    coalescer.set('b', 1);
    expect(coalescer.peek('a')).toBe(3);
    await vi.advanceTimersByTimeAsync(99);
    expect(flushed).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(flushed).toEqual([{ a: 3, b: 1 }]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(flushed.length).toBe(1);
  });

  it('merges a failed flush with what came since', async () => {
    let fail = true;
    const flushed: Record<string, number>[] = [];
    const { coalescer, errors } = make({
      flush: async (entries) => {
        if (fail) throw new Error('away');
        flushed.push(Object.fromEntries(entries));
      },
    });
    coalescer.set('a', 5);
    coalescer.set('b', 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(errors.length).toBe(1);
    coalescer.set('a', 4);
    coalescer.set('b', 2);
    fail = false;
    await vi.advanceTimersByTimeAsync(100);
    expect(flushed).toEqual([{ a: 5, b: 2 }]);
  });

  it('flushes early when full, and refuses new keys while that lasts', async () => {
    const gone = deferred<undefined>();
    const { coalescer } = make({ maxKeys: 2, flush: () => gone.promise.then(() => undefined) });
    expect([coalescer.set('a', 1), coalescer.set('b', 1)]).toEqual([true, true]);
    expect(coalescer.size).toBe(0);
    expect([coalescer.set('c', 1), coalescer.set('d', 1), coalescer.set('e', 1)]).toEqual([true, true, false]);
    expect(coalescer.set('c', 9)).toBe(true);
    gone.resolve(undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(coalescer.set('e', 1)).toBe(true);
  });

  it('flushes a last time when it stops, after a running flush', async () => {
    const { coalescer, flushed } = make({});
    coalescer.set('a', 1);
    await coalescer.stop();
    expect(flushed).toEqual([{ a: 1 }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends with the maximum of each key, whatever fails on the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(100), fc.boolean()), { maxLength: 40 }),
        fc.infiniteStream(fc.boolean()),
        async (steps, failures) => {
          const state = new Map<string, number>();
          let failing = true;
          const { coalescer } = make({
            flush: async (entries) => {
              if (failing && failures.next().value === true) throw new Error('away');
              for (const [key, value] of entries) state.set(key, Math.max(value, state.get(key) ?? 0));
            },
          });
          for (const [key, value, wait] of steps) {
            coalescer.set(key, value);
            if (wait) await vi.advanceTimersByTimeAsync(100);
          }
          failing = false;
          await coalescer.stop();
          for (const [key] of steps) {
            expect(state.get(key)).toBe(Math.max(...steps.filter((step) => step[0] === key).map((step) => step[1])));
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
