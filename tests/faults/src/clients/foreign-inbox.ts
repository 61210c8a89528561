import type { DeviceRecord } from './recorder.js';

export type Json = Record<string, unknown>;

export interface Place {
  readonly conversationId: string;
  readonly seq: number;
}

export interface Range {
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

interface Envelope {
  readonly from: { readonly userId: string };
  readonly metadata: { readonly clientMessageId?: string };
  readonly payload?: Json;
}

interface Conversation {
  seen: number;
  /** What arrived above a hole; `undefined`: an own message, shown already. */
  readonly waiting: Map<number, Json | undefined>;
  gone: Range[];
  /** Since when something above `seen` has been waiting. */
  holeSince: number;
}

/** The rules of docs/protocol.md for a client that shows each message once and in order. */
export class ForeignInbox {
  readonly #record: DeviceRecord;
  readonly #conversations = new Map<string, Conversation>();
  readonly #acks = new Set<string>();

  constructor(record: DeviceRecord) {
    this.#record = record;
  }

  /** For `hello`. */
  cursors(): Json[] {
    return [...this.#conversations].map(([conversationId, { seen }]) => ({ conversationId, seq: String(seen) }));
  }

  /** Up to where everything was shown or is gone. */
  seen(conversationId: string): number {
    return this.#conversations.get(conversationId)?.seen ?? 0;
  }

  /** On a new socket: what the last one may not have said. */
  sayAgain(): void {
    for (const conversationId of this.#conversations.keys()) this.#acks.add(conversationId);
  }

  takeAcks(): Json[] {
    const cursors = [...this.#acks].flatMap((conversationId) => {
      const seen = this.#conversations.get(conversationId)?.seen ?? 0;
      return seen > 0 ? [{ conversationId, seq: String(seen) }] : [];
    });
    this.#acks.clear();
    return cursors;
  }

  /** What has been missing for so long; it counts from now on again. */
  *holes(now: number, patienceMs: number): Generator<{ conversationId: string; afterSeq: number; beforeSeq: number }> {
    for (const [conversationId, conversation] of this.#conversations) {
      const { seen, waiting, gone, holeSince } = conversation;
      if ((waiting.size === 0 && gone.length === 0) || now - holeSince < patienceMs) continue;
      conversation.holeSince = now;
      const beforeSeq = Math.min(...waiting.keys(), ...gone.map(({ fromSeq }) => fromSeq));
      yield { conversationId, afterSeq: seen, beforeSeq };
    }
  }

  deliver(body: Json): void {
    const place = { conversationId: String(body['conversationId']), seq: Number(body['seq']) };
    this.#record.say({ what: 'received', ...place });
    this.#put(place, body);
  }

  own(place: Place): void {
    this.#put(place, undefined);
  }

  gone(range: Range): void {
    const conversation = this.#of(range.conversationId);
    if (range.toSeq <= conversation.seen) return;
    if (conversation.waiting.size === 0 && conversation.gone.length === 0) conversation.holeSince = performance.now();
    conversation.gone.push(range);
    this.#advance(range.conversationId, conversation);
  }

  passed({ conversationId, seq }: Place): void {
    this.gone({ conversationId, fromSeq: 1, toSeq: seq });
  }

  #put({ conversationId, seq }: Place, body: Json | undefined): void {
    const conversation = this.#of(conversationId);
    this.#acks.add(conversationId);
    if (seq <= conversation.seen || conversation.waiting.has(seq)) return;
    if (conversation.waiting.size === 0 && conversation.gone.length === 0) conversation.holeSince = performance.now();
    conversation.waiting.set(seq, body);
    this.#advance(conversationId, conversation);
  }

  #advance(conversationId: string, conversation: Conversation): void {
    const before = conversation.seen;
    for (;;) {
      const next = conversation.seen + 1;
      if (conversation.waiting.has(next)) {
        const body = conversation.waiting.get(next);
        conversation.waiting.delete(next);
        conversation.seen = next;
        if (body !== undefined) this.#show({ conversationId, seq: next }, body);
        continue;
      }
      const gone = conversation.gone.find(({ fromSeq, toSeq }) => fromSeq <= next && toSeq >= next);
      if (gone === undefined) break;
      const first = Math.min(...conversation.waiting.keys());
      conversation.seen = Math.min(gone.toSeq, first - 1);
    }
    if (conversation.seen === before) return;
    conversation.gone = conversation.gone.filter(({ toSeq }) => toSeq > conversation.seen);
    conversation.holeSince = performance.now();
    this.#acks.add(conversationId);
  }

  #show({ conversationId, seq }: Place, body: Json): void {
    const envelope = body['envelope'] as Envelope;
    const content = envelope.payload ?? {};
    const [kind = 'unknown'] = Object.keys(content);
    const { text } = (content['text'] ?? content['edit'] ?? {}) as { text?: string };
    this.#record.shown({
      conversationId,
      seq,
      id: envelope.metadata.clientMessageId ?? '',
      fromUserId: envelope.from.userId,
      kind,
      text,
    });
  }

  #of(conversationId: string): Conversation {
    const known = this.#conversations.get(conversationId);
    if (known !== undefined) return known;
    const conversation: Conversation = { seen: 0, waiting: new Map(), gone: [], holeSince: 0 };
    this.#conversations.set(conversationId, conversation);
    return conversation;
  }
}
