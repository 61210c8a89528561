import { LRUCache } from 'lru-cache';
import type { Push } from './model.js';

// A wake that failed for one device comes again for all, and every wake may come twice: what was pushed is remembered
// for as long as a wake can come back. Losing it costs a push that its device collapses.
const REMEMBERED_MS = 30 * 60_000;
const MAX_REMEMBERED = 200_000;

/** Up to where a device was pushed in a conversation. */
export class SentMarks {
  readonly #marks = new LRUCache<string, number>({ max: MAX_REMEMBERED, ttl: REMEMBERED_MS });

  has({ deviceId, wake }: Pick<Push, 'deviceId' | 'wake'>): boolean {
    return (this.#marks.get(`${deviceId}/${wake.conversationId}`) ?? 0) >= wake.seq;
  }

  add({ deviceId, wake }: Pick<Push, 'deviceId' | 'wake'>): void {
    const key = `${deviceId}/${wake.conversationId}`;
    this.#marks.set(key, Math.max(this.#marks.get(key) ?? 0, wake.seq));
  }
}
