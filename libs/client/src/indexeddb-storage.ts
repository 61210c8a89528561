import { openDB } from 'idb';
import type { Storage } from './storage.js';

const STORE = 'godwit';

/** For browsers. One database a user and device. */
export async function indexedDbStorage(name: string): Promise<Storage> {
  const db = await openDB(name, 1, {
    upgrade(database) {
      database.createObjectStore(STORE);
    },
  });
  return {
    async entries(prefix) {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const transaction = db.transaction(STORE);
      const [keys, values] = await Promise.all([
        transaction.store.getAllKeys(range) as Promise<string[]>,
        transaction.store.getAll(range) as Promise<Uint8Array[]>,
        transaction.done,
      ]);
      return keys.map((key, i): [string, Uint8Array] => [key, values[i] ?? new Uint8Array()]);
    },
    async set(key, value) {
      await db.put(STORE, value, key);
    },
    async delete(key) {
      await db.delete(STORE, key);
    },
  };
}
