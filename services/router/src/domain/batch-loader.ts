interface Batch<K, V> {
  readonly keys: Set<K>;
  readonly result: Promise<ReadonlyMap<K, V>>;
}

/**
 * Collects what is asked for within one turn of the event loop into one call. Everybody who asked gets the whole
 * answer: a map in which what could not be found out is missing.
 */
export class BatchLoader<K, V> {
  readonly #load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>;
  #batch: Batch<K, V> | undefined;

  constructor(load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>) {
    this.#load = load;
  }

  load(keys: Iterable<K>): Promise<ReadonlyMap<K, V>> {
    this.#batch ??= this.#open();
    for (const key of keys) this.#batch.keys.add(key);
    return this.#batch.result;
  }

  #open(): Batch<K, V> {
    const keys = new Set<K>();
    const result = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#batch = undefined;
      return this.#load([...keys]);
    });
    return { keys, result };
  }
}
