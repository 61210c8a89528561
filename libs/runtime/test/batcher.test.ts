import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Batcher, QueueFull, type BatcherOptions } from '../src/batcher.js';
import { deferred } from '../src/deferred.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const make = <T>(options: Partial<BatcherOptions<T>>) => {
  const batches: T[][] = [];
  const errors: unknown[] = [];
  const batcher = new Batcher<T>({
    name: 'test',
    maxItems: 10,
    maxQueued: 1_000,
    flush: (items) => {
      batches.push(items);
    },
    onError: (error) => errors.push(error),
    ...options,
  });
  return { batcher, batches, errors };
};

describe('Batcher', () => {
  it('collects what one turn of the event loop adds, and sends a lone item in the same', async () => {
    const { batcher, batches } = make<number>({});
    batcher.add(1);
    batcher.add(2);
    expect(batches).toEqual([]);
    await turn();
    expect(batches).toEqual([[1, 2]]);
    batcher.add(3);
    await turn();
    expect(batches).toEqual([[1, 2], [3]]);
  });

  it('holds the next batch until the one before has gone', async () => {
    const gone = deferred<undefined>();
    const batches: number[][] = [];
    const { batcher } = make<number>({
      flush: async (items) => {
        batches.push(items);
        if (batches.length === 1) await gone.promise;
      },
    });
    batcher.add(1);
    await turn();
    for (let item = 2; item <= 25; item++) batcher.add(item);
    await turn();
    expect(batches).toEqual([[1]]);
    gone.resolve(undefined);
    await batcher.drained();
    expect(batches.map(({ length }) => length)).toEqual([1, 10, 10, 4]);
    expect([batcher.queued, batcher.inFlight]).toEqual([0, 0]);
  });

  it('refuses over its bound and takes again when there is room', async () => {
    const { batcher } = make<number>({ maxQueued: 2 });
    expect([batcher.offer(1), batcher.offer(2), batcher.offer(3)]).toEqual([true, true, false]);
    expect(() => {
      batcher.add(3);
    }).toThrow(QueueFull);
    await batcher.drained();
    expect(batcher.offer(3)).toBe(true);
  });

  it('gives a failed batch to onError and goes on', async () => {
    const onError = vi.fn();
    let calls = 0;
    const { batcher } = make<number>({
      maxItems: 1,
      onError,
      flush: (items) => {
        calls++;
        if (items[0] === 1) throw new Error('at once');
        if (items[0] === 2) return Promise.reject(new Error('later'));
        return Promise.resolve();
      },
    });
    for (const item of [1, 2, 3]) batcher.add(item);
    await batcher.drained();
    expect(calls).toBe(3);
    expect(onError.mock.calls.map(([error, items]) => [(error as Error).message, items as number[]])).toEqual([
      ['at once', [1]],
      ['later', [2]],
    ]);
  });

  it('keeps order, loses nothing and keeps to both bounds, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ size: fc.integer({ min: 0, max: 150 }), pause: fc.boolean() }), { maxLength: 120 }),
        fc.integer({ min: 1, max: 7 }),
        async (plan, maxItems) => {
          const sent: { id: number; size: number }[] = [];
          const { batcher } = make<{ id: number; size: number }>({
            maxItems,
            maxBytes: 100,
            sizeOf: ({ size }) => size,
            flush: async (items) => {
              expect(items.length).toBeGreaterThan(0);
              expect(items.length).toBeLessThanOrEqual(maxItems);
              const bytes = items.reduce((sum, { size }) => sum + size, 0);
              if (items.length > 1) expect(bytes).toBeLessThanOrEqual(100);
              sent.push(...items);
              await turn();
            },
          });
          for (const [id, { size, pause }] of plan.entries()) {
            batcher.add({ id, size });
            if (pause) await turn();
          }
          await batcher.drained();
          expect(sent.map(({ id }) => id)).toEqual(plan.map((_, id) => id));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps several batches in flight where that is allowed', async () => {
    const gone = deferred<undefined>();
    let most = 0;
    const { batcher } = make<number>({ maxItems: 1, maxInFlight: 3, flush: () => gone.promise });
    for (let item = 0; item < 5; item++) batcher.add(item);
    await turn();
    most = batcher.inFlight;
    gone.resolve(undefined);
    await batcher.drained();
    expect(most).toBe(3);
  });

  it('lets a long queue shrink', async () => {
    const sent: number[] = [];
    const { batcher } = make<number>({
      maxItems: 7,
      maxQueued: 100_000,
      flush: async (items) => {
        sent.push(...items);
      },
    });
    for (let item = 0; item < 20_000; item++) batcher.add(item);
    await batcher.drained();
    expect(sent.length).toBe(20_000);
    expect(sent.every((item, index) => item === index)).toBe(true);
  });

  it('keeps the gap between the starts of batches, and gathers meanwhile', async () => {
    const batches: { items: number[]; at: number }[] = [];
    const batcher = new Batcher<number>({
      name: 'q',
      maxItems: 10,
      maxQueued: 100,
      gapMs: 30,
      flush: (items) => {
        batches.push({ items, at: performance.now() });
        return Promise.resolve();
      },
      onError: (error) => {
        throw error;
      },
    });
    // Counted from before the first batch, whose start may be read late.
    const begun = performance.now();
    batcher.add(1);
    await new Promise((resolve) => setImmediate(resolve));
    batcher.add(2);
    await new Promise((resolve) => setImmediate(resolve));
    batcher.add(3);
    await batcher.drained();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    // A timer may round down to the millisecond.
    expect((batches[1]?.at ?? 0) - begun).toBeGreaterThanOrEqual(29);
  });
});
