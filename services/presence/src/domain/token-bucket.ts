/** So much a second, and so much at once. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #refilledAt: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#refilledAt = now;
  }

  /** `now` in monotonic milliseconds. */
  refill(now: number): void {
    const gained = ((now - this.#refilledAt) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(this.#tokens + gained, this.#perSecond);
    this.#refilledAt = now;
  }

  /** Takes that many; a full bucket gives also what is more than it holds, and owes it then. */
  take(count: number): boolean {
    if (this.#tokens < count && this.#tokens < this.#perSecond) return false;
    this.#tokens -= count;
    return true;
  }
}
