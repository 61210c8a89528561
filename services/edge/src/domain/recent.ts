/**
 * Remembers values for `ms` at least and twice that at most, by turning over two maps: no timer and no note for an entry,
 * and what nobody asks for costs nothing soon. Over `maxKeys` it forgets sooner. `now` is monotonic ms.
 */
export class Recent<K, V> {
  readonly #ms: number;
  readonly #maxKeys: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  #turnedAt = 0;

  constructor({ ms, maxKeys }: { readonly ms: number; readonly maxKeys: number }) {
    this.#ms = ms;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** What was set, or got with `getAndKeep`, not long ago. */
  get(key: K, now: number): V | undefined {
    this.#turn(now);
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** The same, and it is remembered from now on anew. */
  getAndKeep(key: K, now: number): V | undefined {
    this.#turn(now);
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#young.set(key, old);
    }
    return old;
  }

  set(key: K, value: V, now: number): void {
    this.#turn(now);
    this.#old.delete(key);
    this.#young.set(key, value);
  }

  #turn(now: number): void {
    const elapsed = now - this.#turnedAt;
    if (elapsed < this.#ms && this.#young.size * 2 <= this.#maxKeys) return;
    this.#old = elapsed < this.#ms * 2 ? this.#young : new Map<K, V>();
    this.#young = new Map();
    this.#turnedAt = now;
  }
}
