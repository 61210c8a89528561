/**
 * Where a client keeps what must survive a restart: its outbox and its cursors. Keys are ASCII, at most 200 characters;
 * values are small. A write that has resolved survives a crash of the client's process.
 */
export interface Storage {
  /** All entries whose key starts with `prefix`. */
  entries(prefix: string): Promise<[key: string, value: Uint8Array][]>;
  set(key: string, value: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Keeps nothing beyond the process: for tests and throw-away clients. */
export function memoryStorage(): Storage {
  const map = new Map<string, Uint8Array>();
  return {
    entries: (prefix) => Promise.resolve([...map].filter(([key]) => key.startsWith(prefix))),
    set: (key, value) => {
      map.set(key, value);
      return Promise.resolve();
    },
    delete: (key) => {
      map.delete(key);
      return Promise.resolve();
    },
  };
}
