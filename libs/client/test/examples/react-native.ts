import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import { GodwitClient } from '@godwit/client/client';
import type { Message } from '@godwit/client/message';
import type { Storage } from '@godwit/client/storage';
import type { TokenSource } from '@godwit/client/tokens';
import { webSocket } from '@godwit/client/web-socket';

/** What AsyncStorage, MMKV and the like have in common. */
interface KeyValueStore {
  getAllKeys(): Promise<readonly string[]>;
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
}

/** The storage port on the device's key-value store. */
export function keyValueStorage(store: KeyValueStore): Storage {
  return {
    async entries(prefix) {
      const keys = (await store.getAllKeys()).filter((key) => key.startsWith(prefix));
      const values = await Promise.all(keys.map((key) => store.getItem(key)));
      return keys.map((key, i): [string, Uint8Array] => [key, base64Decode(values[i] ?? '')]);
    },
    set: (key, value) => store.setItem(key, base64Encode(value)),
    delete: (key) => store.removeItem(key),
  };
}

interface Parts {
  readonly tokens: TokenSource;
  readonly store: KeyValueStore;
  /** The app's messages, by (conversationId, seq): put twice, there once. */
  readonly database: { put(message: Message): Promise<void> };
}

export function openChat({ tokens, store, database }: Parts): GodwitClient {
  return new GodwitClient({
    edges: ['wss://chat.example.com'],
    tokens,
    socket: webSocket,
    storage: keyValueStorage(store),
    // Acked when it is in the database: an app that is killed in between gets it again.
    storeMessage: (message) => database.put(message),
  });
}
