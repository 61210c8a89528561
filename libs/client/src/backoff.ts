const FIRST_MS = 500;
const LARGEST_MS = 60_000;

/** Full jitter: a random wait up to a bound that doubles with each failure. */
export class Backoff {
  #failures = 0;

  next(): number {
    const bound = Math.min(LARGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return Math.random() * bound;
  }

  /** Only a completed sync counts as success: an edge that accepts and drops would otherwise be stormed. */
  reset(): void {
    this.#failures = 0;
  }
}
