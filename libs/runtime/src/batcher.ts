import { Pace } from './pace.js';

/** Thrown (or given to the caller as a rejection) where a bounded queue has no room. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
  readonly queue: string;

  constructor(queue: string) {
    super(`the queue "${queue}" is full`);
    this.queue = queue;
  }
}

export interface BatcherOptions<T> {
  /** Name in metrics and errors. */
  readonly name: string;
  /** Items a batch has at most. */
  readonly maxItems: number;
  /** Bytes a batch has at most, by `sizeOf`; a single item may be larger and then goes alone. */
  readonly maxBytes?: number;
  readonly sizeOf?: (item: T) => number;
  /** Items that wait at most, beside those in flight; over it `add` refuses. */
  readonly maxQueued: number;
  /** Batches in flight at a time (default 1: order is kept). */
  readonly maxInFlight?: number;
  /** Between the starts of two batches at least (default 0): where a batch costs much, whatever is in it. */
  readonly gapMs?: number;
  /** Sends a batch. The batch has gone when this returns or its promise settles; errors reach `onError`. */
  readonly flush: (items: T[]) => Promise<void> | void;
  /** A flush that failed, with its items. Whoever added them must hear of it here. */
  readonly onError: (error: unknown, items: T[]) => void;
  /** Observes the size of each batch. */
  readonly onBatch?: (items: number) => void;
}

/**
 * Collects items into batches. With nothing in flight a batch closes at the end of the current turn of the event loop
 * (well under 0.5 ms unless the loop is busy, and then waiting collects more); else when the one before has gone. So
 * a lone item is never held back and a burst makes large batches (with a gap: once that is over, too). No promise and no timer for an item.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  readonly #gapMs: number;
  readonly #pace: Pace;
  #queue: T[] = [];
  // Items before this index have left; cutting the array for each batch would copy a long queue each time.
  #head = 0;
  #inFlight = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
    this.#gapMs = options.gapMs ?? 0;
    const flush = (): void => {
      this.#scheduled = false;
      this.#pump();
    };
    this.#pace = new Pace({ gapMs: this.#gapMs, flush });
  }

  /** Items that wait. */
  get queued(): number {
    return this.#queue.length - this.#head;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes the item, or returns false when the queue is full. */
  offer(item: T): boolean {
    if (this.queued >= this.#options.maxQueued) return false;
    this.#queue.push(item);
    this.#schedule();
    return true;
  }

  /** @throws QueueFull */
  add(item: T): void {
    if (!this.offer(item)) throw new QueueFull(this.#options.name);
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drained(): Promise<void> {
    if (this.#inFlight === 0 && this.queued === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= (this.#options.maxInFlight ?? 1)) return;
    this.#scheduled = true;
    this.#pace.request();
  }

  #pump(): void {
    while (this.queued > 0 && this.#inFlight < (this.#options.maxInFlight ?? 1)) this.#send(this.#take());
    if (this.queued > 0 || this.#inFlight > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #take(): T[] {
    const { maxItems, maxBytes = Infinity, sizeOf } = this.#options;
    const end = Math.min(this.#queue.length, this.#head + maxItems);
    let next = this.#head;
    let bytes = 0;
    for (; next < end; next++) {
      const item = this.#queue[next];
      if (sizeOf !== undefined && item !== undefined) bytes += sizeOf(item);
      if (bytes > maxBytes && next > this.#head) break;
    }
    const batch = this.#queue.slice(this.#head, next);
    this.#head = next;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  #send(batch: T[]): void {
    this.#options.onBatch?.(batch.length);
    let sending: Promise<void> | void;
    try {
      sending = this.#options.flush(batch);
    } catch (error) {
      this.#options.onError(error, batch);
      return;
    }
    if (sending === undefined) return;
    this.#inFlight++;
    sending
      .catch((error: unknown) => {
        this.#options.onError(error, batch);
      })
      .finally(() => {
        this.#inFlight--;
        if (this.#gapMs > 0 && this.queued > 0) this.#schedule();
        else this.#pump();
      });
  }
}
