import { toBinary } from '@bufbuild/protobuf';
import type { Fetch, Read, Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { PayloadSchema } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import type { Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { startSpan } from '@godwit/tracing/spans';
import type { Connection } from '../domain/connection.js';
import type { Refusal } from '../domain/refusal.js';
import { overloaded, rateLimited } from '../domain/refusal.js';
import type { Syncs } from '../domain/syncs.js';
import type { Cursors } from '../links/cursors.js';
import type { RouterRequests } from '../links/router-requests.js';
import { checkCursors, checkFetch, checkSend, toCursor } from './checks.js';
import type { DeliverySpans } from './delivery-spans.js';
import { errorFrame, refuse } from './replies.js';
import type { Shaping } from './shaping.js';

export interface MessageFrameOptions {
  readonly requests: RouterRequests;
  readonly cursors: Cursors;
  readonly syncs: Syncs;
  readonly shaping: Shaping;
  readonly spans: DeliverySpans;
  readonly maxUnackedSends: number;
  /** A request came too fast. */
  readonly tooFast: (connection: Connection) => void;
}

/** Of an `ack`, however it was decoded. */
export interface AckCursors {
  readonly cursors: readonly { readonly conversationId: string; readonly seq: number | bigint }[];
}

const UNACKED_RETRY_MS = 500;

/** `send`, `ack`, `read`, `fetch`: what clients do with messages. */
export class MessageFrames {
  readonly #options: MessageFrameOptions;

  constructor(options: MessageFrameOptions) {
    this.#options = options;
  }

  send(connection: Connection, requestId: number, send: Send): void {
    const refusal = checkSend(send) ?? this.#checkPace(connection);
    if (refusal !== undefined) {
      connection.send(errorFrame(refusal, requestId, send));
      if (refusal.reason === 'RATE_LIMITED') this.#options.tooFast(connection);
      return;
    }
    const { conversationId, clientMessageId, metadata, payload, retry } = send;
    if (metadata === undefined || payload === undefined) return;
    connection.unackedSends += 1;
    const span = startSpan('edge.send', send.traceparent);
    const item = {
      requestId: 0,
      userId: connection.userId,
      deviceId: connection.deviceId,
      conversationId,
      clientMessageId,
      timestampMs: Number(metadata.timestampMs),
      // The numbers are the same in both generated codes, and open: an unknown one is the router's to refuse.
      kind: metadata.kind as number as Kind,
      targetSeq: Number(metadata.targetSeq),
      mediaIds: metadata.mediaIds,
      expiresAtMs: Number(metadata.expiresAtMs),
      payload: Buffer.from(toBinary(PayloadSchema, payload, { writeUnknownFields: false })),
      retry,
      traceparent: span?.traceparent ?? '',
    };
    this.#options.requests.add({ kind: 'send', connection, requestId, item, span });
  }

  ack(connection: Connection, requestId: number, { cursors }: AckCursors): void {
    const refusal = checkCursors(cursors);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    for (const cursor of cursors.map(toCursor)) {
      this.#options.syncs.onAck(connection, cursor);
      this.#options.spans.acked(connection, cursor);
      if (this.#options.cursors.delivered(connection, cursor)) continue;
      refuse(connection, requestId, overloaded('acks are not keeping up'));
      return;
    }
  }

  read(connection: Connection, requestId: number, { cursors }: Read): void {
    const refusal = checkCursors(cursors);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    for (const cursor of cursors.map(toCursor)) {
      if (this.#options.cursors.read(connection, cursor)) continue;
      refuse(connection, requestId, overloaded('reads are not keeping up'));
      return;
    }
  }

  fetch(connection: Connection, requestId: number, fetch: Fetch): void {
    const refusal = checkFetch(fetch);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    const waitMs = this.#options.shaping.call(connection.userId);
    if (waitMs > 0) {
      refuse(connection, requestId, rateLimited('requests', waitMs));
      this.#options.tooFast(connection);
      return;
    }
    const { conversationId, afterSeq, beforeSeq, fromMs, toMs, limit, newestFirst } = fetch;
    const numbers = {
      afterSeq: Number(afterSeq),
      beforeSeq: Number(beforeSeq),
      fromMs: Number(fromMs),
      toMs: Number(toMs),
    };
    const item = { requestId: 0, userId: connection.userId, fetch: { conversationId, ...numbers, limit, newestFirst } };
    this.#options.requests.add({ kind: 'fetch', connection, requestId, item });
  }

  #checkPace(connection: Connection): Refusal | undefined {
    const { maxUnackedSends, shaping } = this.#options;
    if (connection.unackedSends >= maxUnackedSends) {
      const message = `${String(maxUnackedSends)} sends wait for their answers`;
      return { reason: 'TOO_MANY_UNACKED_SENDS', message, retryAfterMs: UNACKED_RETRY_MS };
    }
    const waitMs = shaping.send(connection);
    return waitMs === 0 ? undefined : rateLimited('sends', waitMs);
  }
}
