import type { EdgeRun } from './presence.js';

/** The sockets that one stream of an edge has reported. */
export class EdgeSockets {
  readonly edge: EdgeRun;
  readonly #users = new Map<number, string>();
  readonly #counts = new Map<string, number>();
  /** The stream has ended: what it reported says nothing any more. */
  closed = false;

  constructor(edge: EdgeRun) {
    this.edge = edge;
  }

  get size(): number {
    return this.#users.size;
  }

  userOf(handle: number): string | undefined {
    return this.#users.get(handle);
  }

  has(userId: string): boolean {
    return this.#counts.has(userId);
  }

  users(): IterableIterator<string> {
    return this.#counts.keys();
  }

  /** True when it is the user's first socket here. */
  add(handle: number, userId: string): boolean {
    const count = this.#counts.get(userId) ?? 0;
    this.#users.set(handle, userId);
    this.#counts.set(userId, count + 1);
    return count === 0;
  }

  /** The user whose last socket here it was. */
  remove(handle: number): string | undefined {
    const userId = this.#users.get(handle);
    if (userId === undefined) return undefined;
    this.#users.delete(handle);
    const count = (this.#counts.get(userId) ?? 1) - 1;
    if (count > 0) {
      this.#counts.set(userId, count);
      return undefined;
    }
    this.#counts.delete(userId);
    return userId;
  }
}
