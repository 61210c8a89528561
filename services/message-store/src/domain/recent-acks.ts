import { LRUCache } from 'lru-cache';
import type { StoredAck } from './message.js';

/**
 * The acks a lane gave last. Answers a repeated id from memory, so that a client which floods the same id doesn't make
 * its lane run into duplicate keys. Holds only what is on a majority.
 */
export class RecentAcks {
  readonly #acks: LRUCache<string, StoredAck>;

  constructor(max: number) {
    this.#acks = new LRUCache({ max });
  }

  get(key: string): StoredAck | undefined {
    return this.#acks.get(key);
  }

  set(key: string, ack: StoredAck): void {
    this.#acks.set(key, ack);
  }
}
