/** Work for many at once, spread out: so many a second, each at most once in the queue. */
export class Pacer<T> {
  readonly #perTick: number;
  readonly #tickMs: number;
  readonly #work: (item: T) => void;
  readonly #waiting = new Set<T>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ perSecond, tickMs = 50, work }: { perSecond: number; tickMs?: number; work: (item: T) => void }) {
    this.#perTick = Math.max(1, Math.round((perSecond * tickMs) / 1_000));
    this.#tickMs = tickMs;
    this.#work = work;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(item: T): void {
    this.#waiting.add(item);
    this.#timer ??= setInterval(() => {
      this.#tick();
    }, this.#tickMs);
  }

  delete(item: T): void {
    this.#waiting.delete(item);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #tick(): void {
    let left = this.#perTick;
    for (const item of this.#waiting) {
      if (left-- <= 0) return;
      this.#waiting.delete(item);
      this.#work(item);
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
