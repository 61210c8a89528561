import type { RedisClient } from './connect.js';
import type { Keyspace } from './keys.js';

// One marker is on one master, and a master alone may lose its memory: with 16 on random slots three masters all have
// one but for one chance in 200, ten masters mostly.
const MARKERS = 16;

export interface MarkersOptions {
  readonly keys: Keyspace;
  /** This replica's name, and what distinguishes this run of its process. */
  readonly self: string;
  readonly incarnation: string;
  readonly ttlMs: number;
}

/** Keys by which a process notices that a Redis which holds what it wrote has forgotten it: flushed, or restarted. */
export class Markers {
  readonly #options: MarkersOptions;
  readonly #keys: readonly string[];

  constructor(options: MarkersOptions) {
    this.#options = options;
    this.#keys = Array.from({ length: MARKERS }, (_, index) =>
      options.keys.key(`${options.self}.${String(index)}`, 'marker'),
    );
  }

  /** Whether everything this process has written since `set` is still there, as far as 16 samples tell. */
  async intact(redis: RedisClient): Promise<boolean> {
    const values = await Promise.all(this.#keys.map((key) => redis.get(key)));
    return values.every((value) => value === this.#options.incarnation);
  }

  async set(redis: RedisClient): Promise<void> {
    const { incarnation, ttlMs } = this.#options;
    await Promise.all(this.#keys.map((key) => redis.set(key, incarnation, 'PX', ttlMs)));
  }
}
