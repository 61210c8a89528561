import type { Refusal } from './refusal.js';
import type { Mark } from './ports.js';

/** One device that a message is for. */
export interface Target {
  readonly userId: string;
  readonly deviceId: string;
  readonly edgeId: string;
  readonly edgeIncarnation: string;
  readonly handle: number;
  /** It sees the conversation from this message on only. */
  readonly starting: boolean;
}

/** A message on its way to devices. */
export interface OutgoingMessage {
  readonly conversationId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly envelope: Uint8Array;
  /** Of its fan-out's span; empty: not traced. */
  readonly traceparent: string;
}

/** The message for some devices of one edge: at most MAX_HANDLES. */
export interface Delivery {
  readonly message: OutgoingMessage;
  readonly targets: readonly Target[];
  /** Called once: who was not there. Not called with a list: the edge did not answer. */
  readonly answered: (notHere: readonly Target[] | 'no-answer') => void;
}

/** Sockets that one delivery names at most. */
export const MAX_HANDLES = 256;

/** A small thing for sockets that needs no answer. */
export type Notice =
  | { readonly type: 'receipt'; readonly mark: Mark; readonly expiredSeq: number }
  | {
      readonly type: 'gone';
      readonly conversationId: string;
      readonly fromSeq: number;
      readonly toSeq: number;
      readonly reason: number;
    }
  | { readonly type: 'error'; readonly conversationId: string; readonly refusal: Refusal };

/** The stream to an edge, as rules see it. What is handed over in one turn goes out as one frame. */
export interface Edge {
  readonly edgeId: string;
  readonly incarnation: string;
  /** Takes the delivery in order, or returns false: it has too many that are not answered. */
  deliver(delivery: Delivery): boolean;
  notify(handles: readonly number[], notice: Notice): void;
}

/** The edges that have a stream to this router. */
export class Edges {
  readonly #edges = new Map<string, Edge>();

  /** An edge that comes again replaces its older stream. */
  add(edge: Edge): Edge | undefined {
    const older = this.#edges.get(edge.edgeId);
    this.#edges.set(edge.edgeId, edge);
    return older;
  }

  remove(edge: Edge): void {
    if (this.#edges.get(edge.edgeId) === edge) this.#edges.delete(edge.edgeId);
  }

  get size(): number {
    return this.#edges.size;
  }

  /** The incarnation must match: handles of an earlier one mean other sockets now, or none. */
  find({ edgeId, edgeIncarnation }: Pick<Target, 'edgeId' | 'edgeIncarnation'>): Edge | undefined {
    const edge = this.#edges.get(edgeId);
    return edge?.incarnation === edgeIncarnation ? edge : undefined;
  }
}
