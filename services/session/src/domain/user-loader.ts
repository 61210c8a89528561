import type { StoredSession } from './session.js';

/** Users asked of the archive in one go. */
const BATCH = 500;

export interface UserLoaderOptions {
  /** Never throws: undefined when the archive is away. */
  readonly load: (userIds: readonly string[]) => Promise<Map<string, readonly StoredSession[]> | undefined>;
  /** What was found about a user; undefined when nothing could be found out. Runs before what waits for it. */
  readonly onLoaded: (userId: string, stored: readonly StoredSession[] | undefined) => void;
}

/**
 * Reads users from the archive, those asked for in one turn of the event loop together, and each once at a time. What
 * is to be done with a user waits for its read, in the order it was asked for.
 */
export class UserLoader {
  readonly #options: UserLoaderOptions;
  readonly #waiting = new Map<string, (() => void)[]>();
  #batch: string[] = [];

  constructor(options: UserLoaderOptions) {
    this.#options = options;
  }

  isLoading(userId: string): boolean {
    return this.#waiting.has(userId);
  }

  /** Does something once the user has been read, whether or not that worked. */
  afterLoad(userId: string, action: () => void): void {
    const waiting = this.#waiting.get(userId);
    if (waiting !== undefined) {
      waiting.push(action);
      return;
    }
    this.#waiting.set(userId, [action]);
    this.#batch.push(userId);
    if (this.#batch.length === 1) setImmediate(() => void this.#loadBatch());
  }

  loaded(userIds: readonly string[]): Promise<void> {
    if (userIds.length === 0) return Promise.resolve();
    let left = userIds.length;
    return new Promise((resolve) => {
      for (const userId of userIds) {
        this.afterLoad(userId, () => {
          left--;
          if (left === 0) resolve();
        });
      }
    });
  }

  async #loadBatch(): Promise<void> {
    const userIds = this.#batch;
    this.#batch = [];
    const loads: Promise<void>[] = [];
    for (let from = 0; from < userIds.length; from += BATCH) loads.push(this.#load(userIds.slice(from, from + BATCH)));
    await Promise.all(loads);
  }

  async #load(userIds: readonly string[]): Promise<void> {
    const stored = await this.#options.load(userIds);
    for (const userId of userIds) {
      const actions = this.#waiting.get(userId) ?? [];
      this.#waiting.delete(userId);
      this.#options.onLoaded(userId, stored === undefined ? undefined : (stored.get(userId) ?? []));
      for (const action of actions) action();
    }
  }
}
