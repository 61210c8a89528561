import type { EventEmitter } from 'eventemitter3';
import type { GoneReason } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { Codec } from './codec.js';
import type { ConnectionState, EndReason } from './connection.js';
import type { RefusedError } from './errors.js';
import type { Message } from './message.js';
import type { Sent } from './outbox.js';
import type { SocketFactory } from './socket.js';
import type { Storage } from './storage.js';
import type { TokenSource } from './tokens.js';

export interface ClientOptions {
  /** Base addresses of edges: `ws://host:port` or `wss://host`. The edges tell of others. */
  readonly edges: readonly string[];
  readonly tokens: TokenSource;
  /** `nodeSocket` or `webSocket`. */
  readonly socket: SocketFactory;
  /** Default: memory, which forgets outbox and cursors with the process. One storage a device. */
  readonly storage?: Storage;
  /** Default: `protoCodec`. */
  readonly codec?: Codec;
  /** Name and version of the app, for the operator's eyes. */
  readonly name?: string;
  /** Sends of one conversation under way together; default 1, which keeps the sender's order even through refusals. */
  readonly sendWindow?: number;
  readonly fetch?: typeof fetch;
}

export type ClientEvents = {
  /** A message's turn has come: each once, in the order of its conversation. Own sends come with `send`'s promise. */
  message: Message;
  /** An own message is stored: from `send`, or from an outbox that was found after a restart. */
  sent: Sent;
  /** A message from an outbox that was found after a restart will not be sent. */
  refused: RefusedError;
  /** These seqs hold nothing: for an own message with EXPIRED, that it expired before all had it. */
  gone: { conversationId: string; fromSeq: number; toSeq: number; reason: GoneReason };
  /** Where a member stands: take the maximum of what was said. */
  receipt: { conversationId: string; userId: string; deliveredSeq: number; readSeq: number; expiredSeq: number };
  presence: { userId: string; online: boolean; lastSeenMs: number };
  typing: { conversationId: string; userId: string; stopped: boolean };
  state: { state: ConnectionState; detail: string };
  /** The client has stopped for good. */
  ended: EndReason;
  /** A refusal that answers no request of this client's, or a failure of the storage. */
  problem: Error;
};

export type ClientEmitter = EventEmitter<{ [E in keyof ClientEvents]: [ClientEvents[E]] }>;
