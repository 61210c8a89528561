import type { Clock } from '@godwit/runtime/clock';
import type { StoredLease } from './ports.js';
import type { EdgeProcess } from './session.js';

/**
 * Which edge processes are alive. A lease ends `leaseMs` after the last sign of life, here or (by the archive) at
 * another replica; a newer incarnation ends the one before at once.
 */
export class EdgeLeases {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #current = new Map<string, EdgeProcess>();

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  get size(): number {
    return this.#current.size;
  }

  current(edgeId: string): EdgeProcess | undefined {
    return this.#current.get(edgeId);
  }

  isLive(edge: EdgeProcess): boolean {
    return !edge.ended && edge.leaseUntil > this.#clock.monotonic();
  }

  /** A process has said hello. Gives the process, and the one whose place it takes, which has ended by that. */
  hello(edgeId: string, incarnation: string): { readonly edge: EdgeProcess; readonly ended: EdgeProcess | undefined } {
    const former = this.#current.get(edgeId);
    if (former?.incarnation === incarnation) {
      this.seen(former);
      return { edge: former, ended: undefined };
    }
    if (former !== undefined) former.ended = true;
    return { edge: this.#begin(edgeId, incarnation, this.#leaseMs), ended: former };
  }

  /** A sign of life. */
  seen(edge: EdgeProcess): void {
    edge.leaseUntil = this.#clock.monotonic() + this.#leaseMs;
  }

  /**
   * What other replicas know of an edge. Heard of here for the first time, it counts from now on; the same process may
   * live longer by it; another incarnation than the one that is alive here is an echo of the past.
   */
  learn({ edgeId, incarnation, remainingMs }: StoredLease): EdgeProcess | undefined {
    const remaining = Math.min(remainingMs, this.#leaseMs);
    const known = this.#current.get(edgeId);
    if (known?.incarnation === incarnation) {
      known.leaseUntil = Math.max(known.leaseUntil, this.#clock.monotonic() + remaining);
      return undefined;
    }
    if (known !== undefined && this.isLive(known)) return undefined;
    if (known !== undefined) known.ended = true;
    this.#begin(edgeId, incarnation, remaining);
    return known;
  }

  /** Processes whose lease ends within that time unless somebody has heard of them. */
  endingWithin(milliseconds: number): EdgeProcess[] {
    const limit = this.#clock.monotonic() + milliseconds;
    return [...this.#current.values()].filter((edge) => edge.leaseUntil <= limit);
  }

  /** Ends the leases that have run out, and gives them back. */
  endLapsed(): EdgeProcess[] {
    const lapsed = this.endingWithin(0);
    for (const edge of lapsed) {
      edge.ended = true;
      this.#current.delete(edge.edgeId);
    }
    return lapsed;
  }

  #begin(edgeId: string, incarnation: string, remainingMs: number): EdgeProcess {
    const edge = { edgeId, incarnation, leaseUntil: this.#clock.monotonic() + remainingMs, ended: false };
    this.#current.set(edgeId, edge);
    return edge;
  }
}
