import {
  EvictReason,
  type EdgeToSession,
  type Evict,
  type Registered,
  type SessionToEdge,
} from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { resourceExhausted } from '@godwit/rpc/rpc-error';
import type { ServerStream } from '@godwit/rpc/server-stream';
import type { EdgeLinks } from '../domain/ports.js';
import type { EdgeProcess, EvictionReason } from '../domain/session.js';

export type SessionStream = ServerStream<EdgeToSession, SessionToEdge>;

const REASONS = {
  superseded: EvictReason.EVICT_REASON_SUPERSEDED,
  revoked: EvictReason.EVICT_REASON_REVOKED,
} as const;

/** What one edge is told: collected over a turn of the event loop into one frame. */
export class EdgeOutbox {
  readonly stream: SessionStream;
  #registered: Registered[] = [];
  #evicts: Evict[] = [];
  #scheduled = false;

  constructor(stream: SessionStream) {
    this.stream = stream;
  }

  registered(answer: Registered): void {
    this.#registered.push(answer);
    this.#schedule();
  }

  evict(handle: number, reason: EvictionReason): void {
    this.#evicts.push({ handle, reason: REASONS[reason] });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#flush();
    });
  }

  #flush(): void {
    const frame: SessionToEdge = { registered: this.#registered, evicts: this.#evicts };
    this.#registered = [];
    this.#evicts = [];
    this.#scheduled = false;
    if (this.stream.send(frame) || this.stream.ended) return;
    // An edge that doesn't read would miss evictions. It links again, registers its sockets, and hears then.
    this.stream.close(resourceExhausted('LINK_OVERFLOW', 'this stream is not read'));
  }
}

/** The stream of each edge process to this replica; a new one takes the place of the one before. */
export class LinkedEdges implements EdgeLinks {
  readonly #outboxes = new Map<EdgeProcess, EdgeOutbox>();

  get size(): number {
    return this.#outboxes.size;
  }

  link(edge: EdgeProcess, outbox: EdgeOutbox): void {
    const former = this.#outboxes.get(edge);
    this.#outboxes.set(edge, outbox);
    former?.stream.close();
  }

  unlink(edge: EdgeProcess, outbox: EdgeOutbox): void {
    if (this.#outboxes.get(edge) === outbox) this.#outboxes.delete(edge);
  }

  evict(edge: EdgeProcess, handle: number, reason: EvictionReason): boolean {
    const outbox = this.#outboxes.get(edge);
    outbox?.evict(handle, reason);
    return outbox !== undefined;
  }
}
