import { describe, expect, it } from 'vitest';
import { fullJitter, retry, sleep } from '../src/backoff.js';
import { ManualClock } from '../src/clock.js';
import { deferred, within } from '../src/deferred.js';

const FAST = { minMs: 1, maxMs: 2 };

describe('fullJitter', () => {
  it('is between the minimum and a ceiling that doubles up to the maximum', () => {
    const of = (attempt: number): number[] =>
      Array.from({ length: 500 }, () => fullJitter({ minMs: 50, maxMs: 2_000 }, attempt));
    for (const [attempt, ceiling] of [
      [0, 100],
      [1, 200],
      [4, 1_600],
      [5, 2_000],
      [1_000, 2_000],
    ] as const) {
      const waits = of(attempt);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(50);
      expect(Math.max(...waits)).toBeLessThanOrEqual(ceiling);
      expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan((ceiling - 50) * 0.7);
    }
  });
});

describe('sleep', () => {
  it('says whether it was interrupted', async () => {
    const abort = new AbortController();
    const sleeping = sleep(10_000, abort.signal);
    abort.abort();
    expect(await sleeping).toBe(false);
    expect(await sleep(1, abort.signal)).toBe(false);
    expect(await sleep(1)).toBe(true);
  });
});

describe('retry', () => {
  it('tries again until it works', async () => {
    expect(
      await retry(async (attempt) => (attempt < 2 ? Promise.reject(new Error('no')) : attempt), {
        ...FAST,
        attempts: 3,
      }),
    ).toBe(2);
  });

  it('throws the last error when the attempts are used up, or at once when it is not worth it', async () => {
    let tries = 0;
    const work = async (): Promise<never> => {
      tries++;
      throw new Error(`try ${String(tries)}`);
    };
    await expect(retry(work, { ...FAST, attempts: 3 })).rejects.toThrow('try 3');
    await expect(retry(work, { ...FAST, attempts: 3, retryable: () => false })).rejects.toThrow('try 4');
  });

  it('stops waiting when the signal aborts', async () => {
    const abort = new AbortController();
    const work = async (): Promise<never> => {
      abort.abort();
      throw new Error('away');
    };
    await expect(retry(work, { attempts: 9, minMs: 60_000, maxMs: 60_000, signal: abort.signal })).rejects.toThrow(
      'away',
    );
  });
});

describe('within', () => {
  it('gives the result, or what stands for being late', async () => {
    expect(await within(Promise.resolve(1), 1_000, () => 'late')).toBe(1);
    expect(await within(deferred<number>().promise, 1, () => 'late')).toBe('late');
    await expect(within(Promise.reject(new Error('no')), 1_000, () => 'late')).rejects.toThrow('no');
  });
});

describe('ManualClock', () => {
  it('lets the wall clock jump while the monotonic one only advances', () => {
    const clock = new ManualClock(1_000);
    clock.advance(5);
    clock.jump(-500);
    expect([clock.now(), clock.monotonic()]).toEqual([505, 5]);
  });
});
