import { LRUCache } from 'lru-cache';

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

/**
 * Token buckets by key. A key that is not known has a full bucket, so forgetting one is only a favour: the least
 * recently used go first when there are too many.
 */
export class TokenBuckets {
  readonly rate: Rate;
  readonly #now: () => number;
  readonly #buckets: LRUCache<string, Bucket>;

  constructor(rate: Rate, { maxKeys, now }: { readonly maxKeys: number; readonly now: () => number }) {
    this.rate = rate;
    this.#now = now;
    this.#buckets = new LRUCache({ max: maxKeys });
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
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const full = { tokens: this.rate.burst, at: now };
      this.#buckets.set(key, full);
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
