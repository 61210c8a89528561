import { LRUCache } from 'lru-cache';

const MAX_CONVERSATIONS = 50_000;
/** Messages remembered of each conversation. */
const MAX_MESSAGES = 512;

/** Who sent the last messages of a conversation: tells whom a mark concerns without reading the log. */
export class RecentMessages {
  readonly #conversations = new LRUCache<string, Map<number, string>>({ max: MAX_CONVERSATIONS });

  add(conversationId: string, seq: number, senderUserId: string): void {
    let senders = this.#conversations.get(conversationId);
    if (senders === undefined) this.#conversations.set(conversationId, (senders = new Map()));
    senders.set(seq, senderUserId);
    if (senders.size <= MAX_MESSAGES) return;
    const oldest = senders.keys().next();
    if (oldest.done !== true) senders.delete(oldest.value);
  }

  /** Whether this router has had this message in hand lately. */
  has(conversationId: string, seq: number): boolean {
    return this.#conversations.get(conversationId)?.has(seq) === true;
  }

  sender(conversationId: string, seq: number): string | undefined {
    return this.#conversations.get(conversationId)?.get(seq);
  }
}
