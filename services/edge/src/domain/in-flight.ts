/** A request that went to a node and waits for its outcome. */
export interface Flight<T> {
  readonly request: T;
  node: string;
  /** Under which it went: it may have gone to several nodes, and the first outcome counts. */
  readonly ids: number[];
  readonly startedAt: number;
  /** When it went the last time. */
  sentAt: number;
}

/** Requests without an outcome, by the ids they went under. Times are monotonic ms. */
export class InFlight<T> {
  readonly #byId = new Map<number, Flight<T>>();
  // Oldest attempt first: what has waited too long is found without looking at the rest.
  readonly #bySentAt = new Set<Flight<T>>();
  #lastId = 0;

  get size(): number {
    return this.#bySentAt.size;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  start(
    request: T,
    { id, node, now }: { readonly id: number; readonly node: string; readonly now: number },
  ): Flight<T> {
    const flight: Flight<T> = { request, node, ids: [id], startedAt: now, sentAt: now };
    this.#byId.set(id, flight);
    this.#bySentAt.add(flight);
    return flight;
  }

  /** It goes once more, under a new id. */
  again(
    flight: Flight<T>,
    { id, node, now }: { readonly id: number; readonly node: string; readonly now: number },
  ): void {
    flight.ids.push(id);
    flight.node = node;
    flight.sentAt = now;
    this.#byId.set(id, flight);
    this.#bySentAt.delete(flight);
    this.#bySentAt.add(flight);
  }

  get(id: number): Flight<T> | undefined {
    return this.#byId.get(id);
  }

  /** It has its outcome. */
  end(flight: Flight<T>): void {
    for (const id of flight.ids) this.#byId.delete(id);
    this.#bySentAt.delete(flight);
  }

  sentBefore(time: number): Flight<T>[] {
    const found: Flight<T>[] = [];
    for (const flight of this.#bySentAt) {
      if (flight.sentAt >= time) break;
      found.push(flight);
    }
    return found;
  }

  at(node: string): Flight<T>[] {
    return [...this.#bySentAt].filter((flight) => flight.node === node);
  }
}
