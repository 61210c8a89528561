export interface PacedQueueOptions<T> {
  /** Items of a turn of the event loop. */
  readonly perTurn: number;
  /** Items that wait at most; with more, turns are longer, so that whoever sends them is held back as before. */
  readonly maxWaiting: number;
  readonly work: (items: readonly T[]) => void;
}

/** Much work that can wait, in order and a little in each turn of the event loop: what cannot wait goes in between. */
export class PacedQueue<T> {
  readonly #options: PacedQueueOptions<T>;
  #items: T[] = [];
  /** Items before this index are done. */
  #head = 0;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(options: PacedQueueOptions<T>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#items.length - this.#head;
  }

  /** What is little and finds nothing before it is done at once. */
  add(items: readonly T[]): void {
    if (items.length === 0) return;
    const { perTurn, maxWaiting, work } = this.#options;
    if (this.waiting === 0 && items.length <= perTurn) {
      work(items);
      return;
    }
    for (const item of items) this.#items.push(item);
    if (this.waiting > maxWaiting) this.#do(this.waiting - maxWaiting);
    this.#schedule();
  }

  #schedule(): void {
    if (this.waiting === 0) return;
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#do(this.#options.perTurn);
      this.#schedule();
    });
  }

  #do(count: number): void {
    const next = this.#items.slice(this.#head, this.#head + count);
    this.#head += next.length;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= this.#options.maxWaiting) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#options.work(next);
  }
}
