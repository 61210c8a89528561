import { LRUCache } from 'lru-cache';
import { TRANSIENT, type Retention } from './retention.js';

/**
 * Where a conversation stands: the last append that is known to be on a majority. It comes from a majority read or from
 * an own acked append, from nowhere else.
 */
export interface Head {
  /** 0: the conversation doesn't exist yet. */
  readonly seq: number;
  readonly membershipVersion: number;
  readonly serverTimeMs: number;
  readonly retention: Retention;
}

export const NO_HEAD: Head = { seq: 0, membershipVersion: 0, serverTimeMs: 0, retention: TRANSIENT };

/** After so long unused a head is read again: another replica may have appended meanwhile. */
export const HEAD_UNUSED_MS = 3_600_000;

export interface HeadCacheOptions {
  readonly maxConversations: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class HeadCache {
  readonly #heads: LRUCache<string, Head>;

  constructor({ maxConversations, now }: HeadCacheOptions) {
    this.#heads = new LRUCache({
      max: maxConversations,
      ttl: HEAD_UNUSED_MS,
      updateAgeOnGet: true,
      perf: { now },
    });
  }

  get size(): number {
    return this.#heads.size;
  }

  get(conversationId: string): Head | undefined {
    return this.#heads.get(conversationId);
  }

  /** Looks without counting as a use. */
  peek(conversationId: string): Head | undefined {
    return this.#heads.peek(conversationId);
  }

  set(conversationId: string, head: Head): void {
    this.#heads.set(conversationId, head);
  }

  forget(conversationId: string): void {
    this.#heads.delete(conversationId);
  }

  setRetention(conversationId: string, retention: Retention): void {
    const head = this.#heads.peek(conversationId);
    if (head !== undefined) this.#heads.set(conversationId, { ...head, retention });
  }
}
