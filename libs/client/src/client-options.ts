import type { GoneReason } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { StartSpan } from '@godwit/tracing/spans';
import type { Codec } from './codec.js';
import type { ConnectionState, EndReason } from './connection.js';
import type { Message } from './message.js';
import type { Sent, Unsent } from './outbox.js';
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
  /**
   * Puts a message into the app's own database. The message is shown, counted as seen and acked when this has resolved;
   * when it rejects, it is called again after a second. A crash in between brings the message once more after the
   * restart: store it under (conversationId, seq). Without this, a message is acked once its event was emitted.
   */
  readonly storeMessage?: (message: Message) => Promise<void>;
  /** Default: `protoCodec`. */
  readonly codec?: Codec;
  /** Name and version of the app, for the operator's eyes. */
  readonly name?: string;
  /** Sends of one conversation under way together; default 1, which keeps the sender's order even through refusals. */
  readonly sendWindow?: number;
  /** Messages that may wait in the outbox; default 10,000. A further `send` is refused with OUTBOX_FULL. */
  readonly mostUnsent?: number;
  readonly fetch?: typeof fetch;
  /**
   * For apps that trace: spans `client.send` and `client.receive`, in one trace with those of the fleet.
   * `openTelemetry(tracer)` of @godwit/tracing/open-telemetry. Default: no spans.
   */
  readonly startSpan?: StartSpan;
}

export type ClientEvents = {
  /**
   * A message's turn has come: each once, in the order of its conversation. This device's own come as `sent`; those of
   * the user's other devices come here.
   */
  message: Message;
  /** A message of this device is stored: from `send`, or from an outbox that was found after a restart. */
  sent: Sent;
  /** A message from an outbox that was found after a restart will not be sent; others are told by `send`'s promise. */
  unsent: Unsent;
  /** These seqs hold nothing: for an own message with EXPIRED, that it expired before all had it. */
  gone: { conversationId: string; fromSeq: number; toSeq: number; reason: GoneReason };
  /** Where a member stands: take the maximum of what was said. */
  receipt: { conversationId: string; userId: string; deliveredSeq: number; readSeq: number; expiredSeq: number };
  presence: { userId: string; online: boolean; lastSeenMs: number };
  typing: { conversationId: string; userId: string; stopped: boolean };
  /** `detail`: the edge, or why the connection was lost. */
  state: { state: ConnectionState; detail: string };
  /** The client has stopped for good. */
  ended: EndReason;
  /** A refusal that answers no request of this client's, a failure of the storage, or an error thrown by a handler. */
  problem: Error;
};
