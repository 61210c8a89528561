import type { Delivery } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { isSampled, startSpan, type Span } from '@godwit/tracing/spans';
import { LRUCache } from 'lru-cache';
import type { Connection } from '../domain/connection.js';
import type { Cursor } from '../domain/sync-round.js';

interface Unacked {
  readonly seq: number;
  readonly span: Span;
}

/** A delivery whose trace is kept. */
export interface TracedDelivery {
  /** For the recipients' spans. */
  readonly traceparent: string;
  handed(connection: Connection): void;
  end(): void;
}

/** Devices of one delivery whose acks are spans. */
const MAX_DEVICES = 16;
/** Acks that are waited for; devices that never send theirs fall out. */
const MAX_UNACKED = 10_000;

const keyOf = ({ handle }: Connection, conversationId: string): string => `${handle} ${conversationId}`;

/** The spans of what this edge hands to sockets and of their acks, for those traces that are kept as a whole. */
export class DeliverySpans {
  readonly #unacked = new LRUCache<string, Unacked[]>({ max: MAX_UNACKED });

  /** Undefined: the delivery is not traced. */
  begin({ conversationId, seq, traceparent }: Delivery): TracedDelivery | undefined {
    const span = isSampled(traceparent) ? startSpan('edge.deliver', traceparent) : undefined;
    if (span === undefined) return undefined;
    let devices = 0;
    return {
      traceparent: span.traceparent,
      handed: (connection) => {
        if (++devices <= MAX_DEVICES) this.#wait(connection, { conversationId, seq, parent: span.traceparent });
      },
      end: () => {
        span.end({ 'godwit.conversation_id': conversationId, 'godwit.seq': seq, 'godwit.sockets': devices });
      },
    };
  }

  #wait(connection: Connection, { conversationId, seq, parent }: Cursor & { readonly parent: string }): void {
    const span = startSpan('edge.ack', parent);
    if (span === undefined) return;
    const key = keyOf(connection, conversationId);
    this.#unacked.set(key, [...(this.#unacked.get(key) ?? []), { seq, span }]);
  }

  /** A device has everything up to here. */
  acked(connection: Connection, { conversationId, seq: upTo }: Cursor): void {
    if (this.#unacked.size === 0) return;
    const key = keyOf(connection, conversationId);
    const unacked = this.#unacked.get(key);
    if (unacked === undefined) return;
    for (const { seq, span } of unacked) {
      if (seq <= upTo) span.end({ 'godwit.conversation_id': conversationId, 'godwit.seq': seq });
    }
    const left = unacked.filter(({ seq }) => seq > upTo);
    if (left.length === 0) this.#unacked.delete(key);
    else this.#unacked.set(key, left);
  }
}
