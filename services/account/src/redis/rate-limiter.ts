import { RedisUnavailable, type RedisStore } from '@godwit/redis/connect';
import type { Keyspace } from '@godwit/redis/keys';
import type { Clock } from '@godwit/runtime/clock';
import type { RateLimiter } from '../domain/ports.js';

export interface RateLimiterOptions {
  readonly redis: Pick<RedisStore, 'run'>;
  readonly keys: Keyspace;
  /** What is counted. */
  readonly name: string;
  readonly perWindow: number;
  readonly windowMs: number;
  readonly clock: Clock;
}

/** Subjects that are counted locally at a time; beyond that all start anew, which only helps them. */
const LOCAL_SUBJECTS = 50_000;

/**
 * Counts in fixed windows: in Redis for all replicas together, and while Redis is away in this process alone, so that
 * nobody is refused because of an outage.
 */
export const createRateLimiter = (options: RateLimiterOptions): RateLimiter => {
  const { perWindow, windowMs, clock } = options;
  let local = { window: 0, counts: new Map<string, number>() };

  const countLocally = (subject: string, window: number): number => {
    if (local.window !== window || local.counts.size >= LOCAL_SUBJECTS) local = { window, counts: new Map() };
    const count = (local.counts.get(subject) ?? 0) + 1;
    local.counts.set(subject, count);
    return count;
  };

  const countShared = async (subject: string, window: number): Promise<number> => {
    const key = options.keys.key(subject, options.name, String(window));
    const count = await options.redis.run((client) => client.incr(key));
    if (count === 1) await options.redis.run((client) => client.pexpire(key, windowMs * 2));
    return count;
  };

  return {
    take: async (subject) => {
      const now = clock.now();
      const window = Math.floor(now / windowMs);
      let count: number;
      try {
        count = await countShared(subject, window);
      } catch (error) {
        if (!(error instanceof RedisUnavailable)) throw error;
        count = countLocally(subject, window);
      }
      return count <= perWindow ? undefined : (window + 1) * windowMs - now;
    },
  };
};
