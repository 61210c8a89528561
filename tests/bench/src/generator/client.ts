import type { Stamp } from './stamp.js';

/** Who a generator acts as: a user's device of whichever system is measured. */
export interface Account {
  readonly userId: string;
  readonly deviceId: string;
  /** Whatever the handshake needs. */
  readonly token: string;
}

/** Where one client connects, and what it may write to. */
export interface ClientSpec {
  readonly account: Account;
  readonly url: string;
  readonly localAddress?: string;
  /** Conversations (or whatever the system calls them) that `send` names by index. */
  readonly targets: readonly string[];
  /** Where the device stands: what it has seen already. */
  readonly cursors?: readonly { readonly conversationId: string; readonly seq: number }[];
}

/** What clients tell of. */
export interface ClientEvents {
  acked(stamp: Stamp): void;
  refused(stamp: Stamp, reason: string, retryAfterMs: number): void;
  arrived(stamp: Stamp): void;
  /** A frame that repeated what had been delivered, or was out of order. */
  repeated(): void;
  /** Something about another user has changed: its id. */
  presence(userId: string, online: boolean): void;
  closed(code: number): void;
}

/** A connected client. */
export interface Client {
  readonly isOpen: boolean;
  send(target: number, stamp: Stamp): void;
  /** The least that keeps the connection alive. */
  ping(): void;
  /** Sends what has gathered: cumulative acks. */
  flush(): void;
  subscribe(userIds: readonly string[]): void;
  close(): void;
  /** Cut off without a word. */
  destroy(): void;
}

/** What all clients of a generator share. */
export interface ClientSettings {
  readonly payloadBytes: number;
  readonly events: ClientEvents;
  /** Puts the client among those to be flushed soon. */
  readonly dirty: (client: Client) => void;
}

export type ConnectClient = (spec: ClientSpec, settings: ClientSettings) => Promise<Client>;
