// After Finagle: retries may add a fifth to the load, and a few a second where there is little of it.
const TOKENS_PER_CALL = 0.2;
const TOKENS_PER_SECOND = 10;
const MAX_TOKENS = 100;

/** Keeps retries from multiplying an outage: without tokens a call fails with its first error. */
export class RetryBudget {
  readonly #now: () => number;
  #tokens = MAX_TOKENS / 2;
  #refilledAt: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#refilledAt = now();
  }

  /** A first attempt was made. */
  deposit(): void {
    this.#tokens = Math.min(this.#tokens + TOKENS_PER_CALL, MAX_TOKENS);
  }

  /** Whether another attempt is allowed; it is then paid for. */
  withdraw(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(this.#tokens + ((now - this.#refilledAt) / 1_000) * TOKENS_PER_SECOND, MAX_TOKENS);
    this.#refilledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
