// After Finagle: retries may add a fifth to the load, and a few a second where there is little of it. Counted in fifths of
// a retry, so that sums stay whole.
const FIFTHS_PER_RETRY = 5;
const FIFTHS_PER_CALL = 1;
const FIFTHS_PER_SECOND = 50;
const MAX_FIFTHS = 500;

/** Keeps retries from multiplying an outage: with nothing left a call fails with its first error. */
export class RetryBudget {
  readonly #now: () => number;
  #fifths = MAX_FIFTHS / 2;
  #refilledAt: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#refilledAt = now();
  }

  /** A first attempt was made. */
  deposit(): void {
    this.#fifths = Math.min(this.#fifths + FIFTHS_PER_CALL, MAX_FIFTHS);
  }

  /** Whether another attempt is allowed; it is then paid for. */
  withdraw(): boolean {
    const now = this.#now();
    this.#fifths = Math.min(this.#fifths + ((now - this.#refilledAt) / 1_000) * FIFTHS_PER_SECOND, MAX_FIFTHS);
    this.#refilledAt = now;
    if (this.#fifths < FIFTHS_PER_RETRY) return false;
    this.#fifths -= FIFTHS_PER_RETRY;
    return true;
  }
}
