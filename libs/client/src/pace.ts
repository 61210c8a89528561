/** So much of the server's rate is used: its clock and ours do not tick in step, and a refusal costs a wait. */
const SHARE = 0.95;

/** A token bucket after the server's `limits`: a client that paces itself is not refused for being too fast. */
export class Pace {
  #perSecond = 0;
  #burst = 0;
  #left = 0;
  #at: number | undefined;

  /** `perSecond` 0: no limit. */
  limit(perSecond: number, burst: number): void {
    const first = this.#perSecond === 0;
    this.#perSecond = perSecond * SHARE;
    this.#burst = Math.max(1, burst * SHARE);
    // A new socket does not fill the bucket: the server counts by user and device too.
    this.#left = first ? this.#burst : Math.min(this.#left, this.#burst);
  }

  allows(nowMs: number): boolean {
    if (this.#perSecond === 0) return true;
    const passed = nowMs - (this.#at ?? nowMs);
    this.#at = nowMs;
    this.#left = Math.min(this.#burst, this.#left + (passed / 1_000) * this.#perSecond);
    return this.#left >= 1;
  }

  take(): void {
    this.#left -= 1;
  }
}
