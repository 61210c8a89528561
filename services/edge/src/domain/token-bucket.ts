import { Recent } from './recent.js';

export interface Rate {
  /** Tokens that come back a second. */
  readonly perSecond: number;
  /** Tokens a bucket holds. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** Monotonic ms of the last change. */
  at: number;
}

/** Forgotten sooner than that, a bucket would be looked for more often than it is used. */
const MIN_KEPT_MS = 1_000;

/**
 * Token buckets by key. A bucket that has not been used for as long as it takes to fill is full, and a key that is not
 * known has a full bucket: such are forgotten at no loss.
 */
export class TokenBuckets {
  readonly rate: Rate;
  readonly #now: () => number;
  readonly #buckets: Recent<string, Bucket>;

  constructor(rate: Rate, { maxKeys, now }: { readonly maxKeys: number; readonly now: () => number }) {
    this.rate = rate;
    this.#now = now;
    this.#buckets = new Recent({ ms: Math.max(MIN_KEPT_MS, (rate.burst * 1_000) / rate.perSecond), maxKeys });
  }

  /** Takes a token: 0, or in how many ms there will be one. */
  take(key: string): number {
    const bucket = this.#refilled(key);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    return Math.ceil(((1 - bucket.tokens) * 1_000) / this.rate.perSecond);
  }

  /** Gives back a token that was taken for nothing. */
  giveBack(key: string): void {
    const bucket = this.#refilled(key);
    bucket.tokens = Math.min(this.rate.burst, bucket.tokens + 1);
  }

  #refilled(key: string): Bucket {
    const now = this.#now();
    const bucket = this.#buckets.getAndKeep(key, now);
    if (bucket === undefined) {
      const full = { tokens: this.rate.burst, at: now };
      this.#buckets.set(key, full, now);
      return full;
    }
    bucket.tokens = Math.min(this.rate.burst, bucket.tokens + ((now - bucket.at) * this.rate.perSecond) / 1_000);
    bucket.at = now;
    return bucket;
  }
}

/** Takes a token of each, or of none: 0, or in how many ms to try again. */
export const takeAll = (wanted: readonly (readonly [TokenBuckets, string])[]): number => {
  for (let index = 0; index < wanted.length; index++) {
    const [buckets, key] = wanted[index] ?? [];
    const waitMs = buckets === undefined || key === undefined ? 0 : buckets.take(key);
    if (waitMs === 0) continue;
    for (const [taken, takenKey] of wanted.slice(0, index)) taken.giveBack(takenKey);
    return waitMs;
  }
  return 0;
};
