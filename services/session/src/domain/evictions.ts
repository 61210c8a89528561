import type { DirectoryEvents, EdgeLinks } from './ports.js';
import type { EdgeProcess, EvictionReason } from './session.js';

/** Sockets to close that an edge has not been told of, at most for one edge; more are fenced when they register again. */
const MAX_PENDING = 10_000;

/** Tells edges which sockets to close, and remembers it for those whose stream is down until they are back. */
export class Evictions {
  readonly #links: EdgeLinks;
  readonly #events: DirectoryEvents;
  readonly #pending = new Map<EdgeProcess, Map<number, EvictionReason>>();

  constructor(links: EdgeLinks, events: DirectoryEvents) {
    this.#links = links;
    this.#events = events;
  }

  evict(edge: EdgeProcess, handle: number, reason: EvictionReason): void {
    if (edge.ended) return;
    this.#events.evicted(reason);
    if (!this.#links.evict(edge, handle, reason)) this.remember(edge, handle, reason);
  }

  /** The edge could not be told. */
  remember(edge: EdgeProcess, handle: number, reason: EvictionReason): void {
    const handles = this.#pending.get(edge) ?? new Map<number, EvictionReason>();
    if (handles.size < MAX_PENDING) handles.set(handle, reason);
    this.#pending.set(edge, handles);
  }

  /** The edge's stream is up: it is told what it has missed. */
  linked(edge: EdgeProcess): void {
    const handles = this.#pending.get(edge);
    this.#pending.delete(edge);
    for (const [handle, reason] of handles ?? []) {
      if (!this.#links.evict(edge, handle, reason)) this.remember(edge, handle, reason);
    }
  }

  ended(edge: EdgeProcess): void {
    this.#pending.delete(edge);
  }
}
