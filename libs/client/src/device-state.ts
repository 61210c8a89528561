import type { Storage } from './storage.js';

const MARKS_KEY = 'state/marks-since';
const EPOCH_KEY = 'state/epoch';

/** What a device tells the server of its last session, kept over restarts. */
export class DeviceState {
  readonly #storage: Storage;
  readonly #onStorageError: (error: unknown) => void;
  #epoch = 0n;
  #marksSinceMs = 0n;

  constructor(storage: Storage, onStorageError: (error: unknown) => void) {
    this.#storage = storage;
    this.#onStorageError = onStorageError;
  }

  async load(): Promise<void> {
    for (const [key, value] of await this.#storage.entries('state/')) {
      const text = new TextDecoder().decode(value);
      // A lost number costs marks that come again, nothing else.
      if (!/^\d+$/.test(text)) continue;
      if (key === EPOCH_KEY) this.#epoch = BigInt(text);
      if (key === MARKS_KEY) this.#marksSinceMs = BigInt(text);
    }
  }

  /** Of the last `welcome`. */
  get epoch(): bigint {
    return this.#epoch;
  }

  set epoch(epoch: bigint) {
    this.#epoch = epoch;
    this.#keep(EPOCH_KEY, epoch);
  }

  /** The server's time of the last `syncComplete`. */
  get marksSinceMs(): bigint {
    return this.#marksSinceMs;
  }

  set marksSinceMs(marksSinceMs: bigint) {
    this.#marksSinceMs = marksSinceMs;
    this.#keep(MARKS_KEY, marksSinceMs);
  }

  #keep(key: string, value: bigint): void {
    this.#storage.set(key, new TextEncoder().encode(String(value))).catch(this.#onStorageError);
  }
}
