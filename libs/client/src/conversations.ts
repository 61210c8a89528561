import type { Deliver, FetchResult, Gone, Position } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { Inbox, type SeqRange } from './inbox.js';
import type { Storage } from './storage.js';

export interface ConversationsOptions {
  readonly storage: Storage;
  /** Monotonic ms. */
  readonly now: () => number;
  /** A message's turn has come. */
  readonly show: (deliver: Deliver) => void;
  readonly acknowledge: (cursors: { conversationId: string; seq: bigint }[]) => boolean;
  readonly askFor: (conversationId: string, hole: SeqRange) => void;
  readonly onStorageError: (error: unknown) => void;
}

const PREFIX = 'seen/';
/** Cursors in one `ack` or `hello`, as the protocol allows. */
const MOST_CURSORS = 500;
const HOLE_MS = 1_000;

/** Every conversation this device has heard of: what it has seen, what it has told the server of that. */
export class Conversations {
  readonly #options: ConversationsOptions;
  readonly #inboxes = new Map<string, Inbox>();
  /** Seen further than stored and acked. */
  readonly #dirty = new Set<string>();
  #flushing = false;

  constructor(options: ConversationsOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const [key, value] of await this.#options.storage.entries(PREFIX)) {
      const conversationId = key.slice(PREFIX.length);
      const seen = Number(new TextDecoder().decode(value));
      this.#inboxes.set(conversationId, new Inbox(conversationId, seen));
    }
  }

  /** Where this device stands, the latest heard of first. */
  cursors(): { conversationId: string; seq: bigint }[] {
    const all = [...this.#inboxes.values()].slice(-MOST_CURSORS).reverse();
    return all.map((inbox) => ({ conversationId: inbox.conversationId, seq: BigInt(inbox.seen) }));
  }

  seen(conversationId: string): number {
    return this.#inboxes.get(conversationId)?.seen ?? 0;
  }

  ids(): string[] {
    return [...this.#inboxes.keys()];
  }

  deliver(deliver: Deliver): void {
    const inbox = this.#inbox(deliver.conversationId);
    this.#shown(inbox, inbox.accept(Number(deliver.seq), { kind: 'message', deliver }, this.#options.now()));
  }

  /** An own message, shown by the app when it was acked. */
  own(conversationId: string, seq: number): void {
    const inbox = this.#inbox(conversationId);
    this.#shown(inbox, inbox.accept(seq, { kind: 'own' }, this.#options.now()));
  }

  gone(gone: Gone): void {
    this.#skip(gone.conversationId, { from: Number(gone.fromSeq), to: Number(gone.toSeq) });
  }

  position(position: Position): void {
    this.#skip(position.conversationId, { from: 1, to: Number(position.cursorSeq) });
  }

  fetched(result: FetchResult): void {
    for (const gone of result.gone) this.gone(gone);
    for (const deliver of result.messages) this.deliver(deliver);
  }

  #skip(conversationId: string, range: SeqRange): void {
    const inbox = this.#inbox(conversationId);
    this.#shown(inbox, inbox.skip(range, this.#options.now()));
  }

  #inbox(conversationId: string): Inbox {
    const known = this.#inboxes.get(conversationId);
    if (known !== undefined) return known;
    const inbox = new Inbox(conversationId, 0);
    this.#inboxes.set(conversationId, inbox);
    return inbox;
  }

  #shown(inbox: Inbox, delivers: Deliver[]): void {
    this.#dirty.add(inbox.conversationId);
    for (const deliver of delivers) this.#options.show(deliver);
  }

  /** Asks for what is missing since a second. Called a few times a second. */
  askForHoles(): void {
    const now = this.#options.now();
    for (const inbox of this.#inboxes.values()) {
      const hole = inbox.takeHole(now, HOLE_MS);
      if (hole !== undefined) this.#options.askFor(inbox.conversationId, hole);
    }
  }

  /** Stores what was seen, then acks it: an ack for what a crash makes us forget would lose messages. */
  async flush(): Promise<void> {
    if (this.#flushing || this.#dirty.size === 0) return;
    this.#flushing = true;
    try {
      const batch = [...this.#dirty].slice(0, MOST_CURSORS).map((conversationId) => ({
        conversationId,
        seq: this.seen(conversationId),
      }));
      for (const { conversationId } of batch) this.#dirty.delete(conversationId);
      await Promise.all(
        batch.map(({ conversationId, seq }) =>
          this.#options.storage.set(`${PREFIX}${conversationId}`, new TextEncoder().encode(String(seq))),
        ),
      );
      const cursors = batch.filter(({ seq }) => seq > 0);
      const said = this.#options.acknowledge(
        cursors.map(({ conversationId, seq }) => ({ conversationId, seq: BigInt(seq) })),
      );
      // No socket now: the next hello carries them, or the next flush.
      if (!said) for (const { conversationId } of batch) this.#dirty.add(conversationId);
    } catch (error) {
      this.#options.onStorageError(error);
    } finally {
      this.#flushing = false;
    }
  }
}
