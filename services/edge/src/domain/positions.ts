/**
 * How far a device has been handed each conversation without a gap, for the conversations of which something is known.
 * Kept from the first sync until the recheck after it, and told to the router as the place to check from.
 */
export class Positions {
  // Most devices have missed nothing: no map for them.
  #seqs: Map<string, number> | undefined;
  readonly #max: number;

  /** For a conversation that is not kept the server's own cursor of the device serves, so any bound will do. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#seqs?.size ?? 0;
  }

  get(conversationId: string): number | undefined {
    return this.#seqs?.get(conversationId);
  }

  /** Everything up to `seq` counts as handed over: a sync covers its range without gaps. */
  covered(conversationId: string, seq: number): void {
    this.#seqs ??= new Map();
    const known = this.#seqs.get(conversationId);
    if (known === undefined ? this.#seqs.size < this.#max : known < seq) this.#seqs.set(conversationId, seq);
  }

  /** One live message was handed over. It counts only if nothing is missing before it. */
  handed(conversationId: string, seq: number): void {
    if (this.#seqs?.get(conversationId) === seq - 1) this.#seqs.set(conversationId, seq);
  }

  has(conversationId: string, seq: number): boolean {
    return (this.#seqs?.get(conversationId) ?? 0) >= seq;
  }

  entries(): Iterable<[string, number]> {
    return this.#seqs?.entries() ?? [];
  }
}
