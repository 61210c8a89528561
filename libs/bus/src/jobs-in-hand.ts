/**
 * Counts the jobs a consumer works on. Waiting for room costs one promise, however many jobs there are; a race between
 * the promises of all jobs would leave a reaction at each of them for every job that comes.
 */
export class JobsInHand {
  readonly #most: number;
  #count = 0;
  #waiting: (() => void)[] = [];

  /** @param most jobs at a time */
  constructor(most: number) {
    this.#most = most;
  }

  take(): void {
    this.#count++;
  }

  finish(): void {
    this.#count--;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }

  /** Resolves when there is room for another job. */
  async room(): Promise<void> {
    while (this.#count >= this.#most) await this.#finished();
  }

  /** Resolves when all jobs are done. */
  async done(): Promise<void> {
    while (this.#count > 0) await this.#finished();
  }

  #finished(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
