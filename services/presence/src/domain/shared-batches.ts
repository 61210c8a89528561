import { deferred, type Deferred } from '@godwit/runtime/deferred';

export interface SharedBatchesOptions<T> {
  readonly maxItems: number;
  readonly maxInFlight: number;
  /** Must not reject: what to do about a failure is its own affair. */
  readonly run: (items: readonly T[]) => Promise<void>;
}

interface Batch<T> {
  readonly items: Map<string, T>;
  readonly done: Deferred<undefined>;
}

/**
 * Reads for many who ask at the same time: what is asked for in one turn of the event loop goes together, each key
 * once at a time, and a few batches at once however many ask.
 */
export class SharedBatches<T> {
  readonly #options: SharedBatchesOptions<T>;
  readonly #loading = new Map<string, Promise<undefined>>();
  readonly #waiting: Batch<T>[] = [];
  #inFlight = 0;

  constructor(options: SharedBatchesOptions<T>) {
    this.#options = options;
  }

  /** Resolves when the batch with this item has been run. */
  load(key: string, item: T): Promise<undefined> {
    const loading = this.#loading.get(key);
    if (loading !== undefined) return loading;
    const batch = this.#open();
    batch.items.set(key, item);
    this.#loading.set(key, batch.done.promise);
    return batch.done.promise;
  }

  #open(): Batch<T> {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.items.size < this.#options.maxItems) return last;
    const batch: Batch<T> = { items: new Map(), done: deferred<undefined>() };
    this.#waiting.push(batch);
    setImmediate(() => {
      this.#pump();
    });
    return batch;
  }

  #pump(): void {
    while (this.#inFlight < this.#options.maxInFlight) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#inFlight++;
      void this.#run(batch);
    }
  }

  async #run({ items, done }: Batch<T>): Promise<void> {
    try {
      await this.#options.run([...items.values()]);
    } finally {
      for (const key of items.keys()) this.#loading.delete(key);
      this.#inFlight--;
      done.resolve(undefined);
      this.#pump();
    }
  }
}
