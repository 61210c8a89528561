import type { StoredSession } from './session.js';

/** Users asked of the archive in one go. */
const BATCH = 500;
/** More at once would only wait in Redis, against the time an answer may take. */
const BATCHES_IN_FLIGHT = 4;

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
  #queue: string[] = [];
  #inFlight = 0;

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
    this.#queue.push(userId);
    if (this.#queue.length > 1) return;
    setImmediate(() => {
      this.#pump();
    });
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

  #pump(): void {
    while (this.#inFlight < BATCHES_IN_FLIGHT && this.#queue.length > 0) {
      const userIds = this.#queue.slice(0, BATCH);
      this.#queue = this.#queue.slice(BATCH);
      this.#inFlight++;
      void this.#load(userIds).finally(() => {
        this.#inFlight--;
        this.#pump();
      });
    }
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
