import type { Deliver, FetchResult, Gone, Position } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { Inbox, type SeqRange } from './inbox.js';
import type { Storage } from './storage.js';

export interface ConversationsOptions {
  readonly storage: Storage;
  /** Monotonic ms. */
  readonly now: () => number;
  /** A message's turn has come. A promise: it counts as seen when that resolves, and comes again if it rejects. */
  readonly show: (deliver: Deliver) => Promise<void> | undefined;
  /** Whether the cursors went to a socket. */
  readonly acknowledge: (cursors: { conversationId: string; seq: bigint }[]) => boolean;
  readonly askFor: (conversationId: string, hole: SeqRange) => void;
  readonly onStorageError: (error: unknown) => void;
  /** There is something to flush that came by itself, not from a call. */
  readonly onWork: () => void;
}

interface Conversation {
  readonly inbox: Inbox;
  /** The cursor as it is in the storage. */
  stored: number;
  /** Shown by the inbox, and not yet kept by the app: the first is being kept. */
  readonly unkept: Deliver[];
}

const PREFIX = 'seen/';
/** Cursors in one `ack` or `hello`, as the protocol allows. */
const MOST_CURSORS = 500;
/** Messages of one conversation that may wait for a slow app; further ones are asked for later. */
const MOST_UNKEPT = 1_000;
const AGAIN_MS = 1_000;

/** Every conversation this device has heard of: what it has seen, what it has told the server of that. */
export class Conversations {
  readonly #options: ConversationsOptions;
  /** The latest heard of last. */
  readonly #conversations = new Map<string, Conversation>();
  readonly #withHoles = new Set<Conversation>();
  /** To be stored and acked. */
  readonly #dirty = new Set<string>();
  /** Stored, to be acked on the next socket. */
  readonly #unsaid = new Set<string>();
  #flushing: Promise<void> | undefined;
  /** Monotonic ms: a storage that failed is left alone until then. */
  #flushNotBefore = 0;
  #closed = false;

  constructor(options: ConversationsOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const [key, value] of await this.#options.storage.entries(PREFIX)) {
      const conversationId = key.slice(PREFIX.length);
      const seen = Number(new TextDecoder().decode(value));
      if (!Number.isSafeInteger(seen) || seen < 0) {
        // Starting this one from the server's cursor shows nothing twice that was acked.
        this.#options.onStorageError(new Error(`the cursor of ${conversationId} is unreadable`));
        continue;
      }
      this.#conversations.set(conversationId, { inbox: new Inbox(conversationId, seen), stored: seen, unkept: [] });
    }
  }

  /** Where this device stands, the latest heard of first. */
  cursors(): { conversationId: string; seq: bigint }[] {
    const latest = [...this.#conversations].slice(-MOST_CURSORS).reverse();
    return latest.map(([conversationId, conversation]) => ({ conversationId, seq: BigInt(kept(conversation)) }));
  }

  seen(conversationId: string): number {
    return this.#conversations.get(conversationId)?.inbox.seen ?? 0;
  }

  ids(): string[] {
    return [...this.#conversations.keys()];
  }

  /** Whether there is something to store or ack now. */
  get hasNews(): boolean {
    return this.#dirty.size > 0;
  }

  get hasHoles(): boolean {
    return this.#withHoles.size > 0;
  }

  deliver(deliver: Deliver): void {
    const conversation = this.#conversation(deliver.conversationId);
    const seq = Number(deliver.seq);
    const now = this.#options.now();
    if (conversation.unkept.length >= MOST_UNKEPT) {
      conversation.inbox.hearOf(seq, now);
      this.#shown(conversation, []);
    } else {
      this.#shown(conversation, conversation.inbox.accept(seq, { kind: 'message', deliver }, now));
    }
  }

  /** An own message, shown by the app when it was acked. */
  own(conversationId: string, seq: number): void {
    const conversation = this.#conversation(conversationId);
    this.#shown(conversation, conversation.inbox.accept(seq, { kind: 'own' }, this.#options.now()));
  }

  gone(gone: Gone): void {
    this.skip(gone.conversationId, { from: Number(gone.fromSeq), to: Number(gone.toSeq) });
  }

  position(position: Position): void {
    this.skip(position.conversationId, { from: 1, to: Number(position.cursorSeq) });
  }

  fetched(result: FetchResult): void {
    for (const gone of result.gone) this.gone(gone);
    for (const deliver of result.messages) this.deliver(deliver);
  }

  skip(conversationId: string, range: SeqRange): void {
    const conversation = this.#conversation(conversationId);
    this.#shown(conversation, conversation.inbox.skip(range, this.#options.now()));
  }

  #conversation(conversationId: string): Conversation {
    const known = this.#conversations.get(conversationId);
    const conversation = known ?? { inbox: new Inbox(conversationId, 0), stored: 0, unkept: [] };
    this.#conversations.delete(conversationId);
    this.#conversations.set(conversationId, conversation);
    return conversation;
  }

  #shown(conversation: Conversation, delivers: Deliver[]): void {
    // Also when nothing was new: who delivers again has not heard our ack, and may wait for it.
    this.#dirty.add(conversation.inbox.conversationId);
    if (conversation.inbox.hasHole) this.#withHoles.add(conversation);
    else this.#withHoles.delete(conversation);
    const idle = conversation.unkept.length === 0;
    conversation.unkept.push(...delivers);
    if (idle) this.#showNext(conversation);
  }

  /** Shows what waits, up to the first one that the app takes time for. */
  #showNext(conversation: Conversation): void {
    for (let next = conversation.unkept[0]; next !== undefined; next = conversation.unkept[0]) {
      const keeping = this.#options.show(next);
      if (keeping !== undefined) {
        void this.#keep(conversation, keeping);
        return;
      }
      conversation.unkept.shift();
    }
  }

  async #keep(conversation: Conversation, keeping: Promise<void>): Promise<void> {
    try {
      await keeping;
      conversation.unkept.shift();
      this.#dirty.add(conversation.inbox.conversationId);
      this.#options.onWork();
    } catch (error) {
      this.#options.onStorageError(error);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    if (!this.#closed) this.#showNext(conversation);
  }

  /** Asks for what is missing since a second. Called a few times a second while there are holes. */
  askForHoles(): void {
    const now = this.#options.now();
    for (const conversation of this.#withHoles) {
      const hole = conversation.inbox.takeHole(now);
      if (hole !== undefined) this.#options.askFor(conversation.inbox.conversationId, hole);
    }
  }

  /** There is a new socket: what the last one could not take can be acked now. */
  connected(): void {
    for (const conversationId of this.#unsaid) this.#dirty.add(conversationId);
    this.#unsaid.clear();
  }

  /** Stores what was seen, then acks it: an ack for what a crash makes us forget would lose messages. */
  async flush(): Promise<void> {
    if (this.#flushing !== undefined) return this.#flushing;
    if (this.#closed || this.#dirty.size === 0 || this.#options.now() < this.#flushNotBefore) return;
    this.#flushing = this.#flushBatch().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushBatch(): Promise<void> {
    const ids = [...this.#dirty].slice(0, MOST_CURSORS);
    for (const id of ids) this.#dirty.delete(id);
    const batch = ids.flatMap((conversationId) => {
      const conversation = this.#conversations.get(conversationId);
      return conversation === undefined ? [] : [{ conversationId, conversation, seq: kept(conversation) }];
    });
    try {
      await Promise.all(
        batch.map(async ({ conversationId, conversation, seq }) => {
          if (seq <= conversation.stored) return;
          await this.#options.storage.set(`${PREFIX}${conversationId}`, new TextEncoder().encode(String(seq)));
          conversation.stored = Math.max(conversation.stored, seq);
        }),
      );
    } catch (error) {
      for (const id of ids) this.#dirty.add(id);
      this.#flushNotBefore = this.#options.now() + AGAIN_MS;
      this.#options.onStorageError(error);
      return;
    }
    const cursors = batch.flatMap(({ conversationId, seq }) => (seq > 0 ? [{ conversationId, seq: BigInt(seq) }] : []));
    if (cursors.length > 0 && !this.#options.acknowledge(cursors)) for (const id of ids) this.#unsaid.add(id);
  }

  /** Stores and acks everything. What the app has not kept yet comes again after the next start. */
  async finish(): Promise<void> {
    await this.#flushing;
    while (this.#dirty.size > 0 && !this.#closed) {
      const before = this.#dirty.size;
      await this.flush();
      if (this.#dirty.size >= before) break;
    }
    this.#closed = true;
  }

  /** Stores nothing more: another process is this device now, and knows better. */
  abandon(): void {
    this.#closed = true;
  }
}

/** Up to where everything was shown and, where the app keeps messages, kept. */
function kept({ inbox, unkept }: Conversation): number {
  const next = unkept[0];
  return next === undefined ? inbox.seen : Number(next.seq) - 1;
}
