import type { Storage } from './storage.js';

export interface WatchedStorage extends Storage {
  /** Resolves when every write asked for so far has ended, well or not. */
  settled(): Promise<void>;
}

/** A storage that can say when its writes have ended: after `close` an app may copy, move or delete what is behind it. */
export function watchedStorage(storage: Storage): WatchedStorage {
  const writes = new Set<Promise<void>>();
  const watch = (write: Promise<void>): Promise<void> => {
    const ended = write
      .catch(() => undefined)
      .then(() => {
        writes.delete(ended);
      });
    writes.add(ended);
    return write;
  };
  return {
    entries: (prefix) => storage.entries(prefix),
    set: (key, value) => watch(storage.set(key, value)),
    delete: (key) => watch(storage.delete(key)),
    settled: async () => {
      await Promise.all(writes);
    },
  };
}
