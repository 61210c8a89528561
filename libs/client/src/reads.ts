/** Cursors in one `read`, as the protocol allows. */
const MOST_CURSORS = 500;

/** Read marks on their way: merged to the highest of each conversation, kept while there is no socket. */
export class Reads {
  readonly #say: (cursors: { conversationId: string; seq: bigint }[]) => boolean;
  readonly #marks = new Map<string, number>();

  constructor(say: (cursors: { conversationId: string; seq: bigint }[]) => boolean) {
    this.#say = say;
  }

  get size(): number {
    return this.#marks.size;
  }

  add(conversationId: string, seq: number): void {
    if (seq > (this.#marks.get(conversationId) ?? 0)) this.#marks.set(conversationId, seq);
  }

  flush(): void {
    while (this.#marks.size > 0) {
      const batch = [...this.#marks].slice(0, MOST_CURSORS);
      if (!this.#say(batch.map(([conversationId, seq]) => ({ conversationId, seq: BigInt(seq) })))) return;
      for (const [conversationId] of batch) this.#marks.delete(conversationId);
    }
  }
}
