import { Coalescer } from '@godwit/runtime/coalescer';
import type { LastSeenStore, UserGone } from './ports.js';
import { isSameRun } from './presence.js';

const MAX_USERS = 200_000;

export interface LastSeenOptions {
  readonly store: LastSeenStore;
  readonly intervalMs: number;
  /** These are durable: the registry need not remember them any more. */
  readonly onDurable: (users: readonly UserGone[]) => void;
  readonly onError: (error: unknown) => void;
}

/** Who went offline, written in batches. What can't be written is tried again, and is in the registry meanwhile. */
export class LastSeen {
  readonly #options: LastSeenOptions;
  readonly #pending: Coalescer<string, readonly UserGone[]>;

  constructor(options: LastSeenOptions) {
    this.#options = options;
    this.#pending = new Coalescer({
      intervalMs: options.intervalMs,
      maxKeys: MAX_USERS,
      merge: (older, newer) => [
        ...older.filter(({ edge }) => !newer.some((gone) => isSameRun(gone.edge, edge))),
        ...newer,
      ],
      flush: (entries) => this.#write(entries),
      onError: options.onError,
    });
  }

  /** False when there is no room: the registry keeps it, and whoever clears up there tries again. */
  went(gone: UserGone): boolean {
    return this.#pending.set(gone.userId, [gone]);
  }

  /** When they were last seen: durable or about to be. Those never seen are left out. */
  async read(userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const waiting = userIds.flatMap((userId) => {
      const gone = this.#pending.peek(userId);
      return gone === undefined ? [] : [[userId, latestOf(gone)] as const];
    });
    const seen = new Map(await this.#options.store.read(userIds));
    for (const [userId, at] of waiting) seen.set(userId, Math.max(at, seen.get(userId) ?? 0));
    return seen;
  }

  flush(): Promise<void> {
    return this.#pending.flush();
  }

  stop(): Promise<void> {
    return this.#pending.stop();
  }

  async #write(entries: ReadonlyMap<string, readonly UserGone[]>): Promise<void> {
    await this.#options.store.raise(new Map(Array.from(entries, ([userId, gone]) => [userId, latestOf(gone)])));
    this.#options.onDurable([...entries.values()].flat());
  }
}

const latestOf = (gone: readonly UserGone[]): number => gone.reduce((latest, { at }) => Math.max(latest, at), 0);
