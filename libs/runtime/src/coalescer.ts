export interface CoalescerOptions<K, V> {
  readonly intervalMs: number;
  /** What becomes of two values of the same key; for marks the larger, for state the newer. */
  readonly merge: (older: V, newer: V) => V;
  /** Keys held at most; reaching it flushes at once. While a flush runs, over it `set` refuses. */
  readonly maxKeys: number;
  readonly flush: (entries: Map<K, V>) => Promise<void> | void;
  /** A flush that failed; its entries are merged back and go with the next one. */
  readonly onError: (error: unknown) => void;
}

/**
 * Merges values by key and flushes them together, at most every `intervalMs` and one flush at a time. For state that
 * only moves forward (cursors, marks, last seen): merging loses nothing, and a failed flush may be repeated.
 */
export class Coalescer<K, V> {
  readonly #options: CoalescerOptions<K, V>;
  #pending = new Map<K, V>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  constructor(options: CoalescerOptions<K, V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** The value that waits for this key, not yet flushed. */
  peek(key: K): V | undefined {
    return this.#pending.get(key);
  }

  /** Takes the value; false when there is no room for another key until the running flush is through. */
  set(key: K, value: V): boolean {
    const older = this.#pending.get(key);
    if (older === undefined && this.#pending.size >= this.#options.maxKeys && this.#flushing !== undefined)
      return false;
    this.#pending.set(key, older === undefined ? value : this.#options.merge(older, value));
    if (this.#pending.size >= this.#options.maxKeys) this.#start();
    else this.#arm();
    return true;
  }

  /** Flushes what is there now, after a running flush; resolves when that is done, failed or not. */
  async flush(): Promise<void> {
    await this.#flushing;
    this.#start();
    await this.#flushing;
  }

  /** Stops the timer after a last flush. */
  async stop(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, this.#options.intervalMs);
  }

  #start(): void {
    if (this.#flushing !== undefined || this.#pending.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const entries = this.#pending;
    this.#pending = new Map();
    this.#flushing = this.#run(entries).finally(() => {
      this.#flushing = undefined;
      if (this.#pending.size > 0) this.#arm();
    });
  }

  async #run(entries: Map<K, V>): Promise<void> {
    try {
      await this.#options.flush(entries);
    } catch (error) {
      for (const [key, older] of entries) {
        const newer = this.#pending.get(key);
        this.#pending.set(key, newer === undefined ? older : this.#options.merge(older, newer));
      }
      this.#options.onError(error);
    }
  }
}
