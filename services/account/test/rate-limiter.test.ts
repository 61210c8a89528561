import { RedisUnavailable } from '@godwit/redis/connect';
import { keyspace } from '@godwit/redis/keys';
import { ManualClock } from '@godwit/runtime/clock';
import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../src/redis/rate-limiter.js';

describe('the limit of searches without Redis', () => {
  it('is kept by this process alone, and tells when the next may come', async () => {
    const clock = new ManualClock(60_000 * 1_000);
    const limiter = createRateLimiter({
      redis: { run: () => Promise.reject(new RedisUnavailable(new Error('away'))) },
      keys: keyspace('godwit', 'account'),
      name: 'find-user',
      perWindow: 2,
      windowMs: 60_000,
      clock,
    });
    expect(await limiter.take('alice')).toBeUndefined();
    expect(await limiter.take('alice')).toBeUndefined();
    clock.advance(15_000);
    expect(await limiter.take('alice')).toBe(45_000);
    expect(await limiter.take('bob')).toBeUndefined();
    clock.advance(45_000);
    expect(await limiter.take('alice')).toBeUndefined();
  });
});
