export interface SojournOptions {
  /** Monotonic ms. */
  readonly now: () => number;
  /** The least that anything takes for a whole window before there is said to be a queue. */
  readonly targetMs: number;
  readonly windowMs: number;
}

/**
 * Whether a queue stands, as CoDel (RFC 8289) tells it: not how much is waiting, which means little while nobody knows how
 * fast it goes, but how long the fastest of what went through lately has taken. A burst that is worked off leaves the
 * fastest fast; when even the fastest has waited, more comes in than goes out.
 */
export class Sojourn {
  readonly #options: SojournOptions;
  #windowEndsAt: number;
  #least = Infinity;
  #standing = false;

  constructor(options: SojournOptions) {
    this.#options = options;
    this.#windowEndsAt = options.now() + options.windowMs;
  }

  /** Something has gone through after this time. */
  record(tookMs: number): void {
    this.#turn();
    if (tookMs < this.#least) this.#least = tookMs;
    if (tookMs < this.#options.targetMs) this.#standing = false;
  }

  get isStanding(): boolean {
    this.#turn();
    return this.#standing;
  }

  /** A window in which nothing went through says nothing: then it is not slow but stuck, and others see to that. */
  #turn(): void {
    const { now, targetMs, windowMs } = this.#options;
    const time = now();
    if (time < this.#windowEndsAt) return;
    this.#standing = this.#least !== Infinity && this.#least > targetMs;
    this.#least = Infinity;
    this.#windowEndsAt = time + windowMs;
  }
}
