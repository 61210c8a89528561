/** How long a node is left alone once set aside. */
export const SET_ASIDE_MS = 5_000;
/** A node that answers none of this many calls in a row within their deadline is set aside. */
export const MISSED_DEADLINES = 2;
/** A shorter deadline than this says more about its caller than about the node, and isn't counted. */
export const COUNTED_DEADLINE_MS = 500;

interface State {
  missed: number;
  asideUntil: number;
}

/**
 * What this process thinks of the nodes of one service. A node is set aside for 5 s after two missed deadlines in a
 * row, or at once when its connection is refused or breaks; an answer clears it. `now` is monotonic milliseconds.
 */
export class NodeHealth {
  readonly #now: () => number;
  readonly #states = new Map<string, State>();
  readonly #listeners = new Set<(name: string) => void>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  isHealthy(name: string): boolean {
    const state = this.#states.get(name);
    return state === undefined || state.asideUntil <= this.#now();
  }

  answered(name: string): void {
    this.#states.delete(name);
  }

  missedDeadline(name: string): void {
    const missed = (this.#states.get(name)?.missed ?? 0) + 1;
    if (missed >= MISSED_DEADLINES) this.setAside(name);
    else this.#states.set(name, { missed, asideUntil: 0 });
  }

  /** Its connection was refused or has broken, or it said itself that it is going. */
  setAside(name: string): void {
    const wasHealthy = this.isHealthy(name);
    // One miss short of the limit: a node that comes back and misses again goes straight back.
    this.#states.set(name, { missed: MISSED_DEADLINES - 1, asideUntil: this.#now() + SET_ASIDE_MS });
    if (wasHealthy) for (const listener of this.#listeners) listener(name);
  }

  /** Tells when a healthy node is set aside: its keys are served by their next successors from now on. */
  onSetAside(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
