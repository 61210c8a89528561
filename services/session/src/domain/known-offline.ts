/**
 * Users of whom the archive has just been asked in vain. Most messages go to people who are offline, and each would
 * ask again. A device that connects here strikes its user off at once; one that connects at another replica is told
 * of within a second, and is in any case found by the edge's second look five seconds after its sync, which is longer
 * than anything stays in here.
 */
export class KnownOffline {
  readonly #maxUsers: number;
  #young = new Set<string>();
  #old = new Set<string>();

  constructor(maxUsers: number) {
    this.#maxUsers = maxUsers;
  }

  has(userId: string): boolean {
    return this.#young.has(userId) || this.#old.has(userId);
  }

  add(userId: string): void {
    if (this.#young.size < this.#maxUsers) this.#young.add(userId);
  }

  delete(userId: string): void {
    this.#young.delete(userId);
    this.#old.delete(userId);
  }

  /** Called each second: what was added one to two seconds ago goes. */
  age(): void {
    this.#old = this.#young;
    this.#young = new Set();
  }
}
