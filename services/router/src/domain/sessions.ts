import { LRUCache } from 'lru-cache';
import type { Clock } from '@godwit/runtime/clock';
import { BatchLoader } from './batch-loader.js';
import type { Session, SessionDirectory } from './ports.js';

/** A session that was seen this recently is used without asking; a socket that is gone by then is told by its edge. */
const FRESH_MS = 2_000;
/** Known sessions serve this much longer while the session service can't be asked. */
const STALE_MS = 30_000;
const MAX_USERS = 100_000;
/**
 * From this age on a session that is used is asked for again in the background, many at a time: people who are written to
 * are then looked up together, and no delivery waits for it.
 */
const REFRESH_MS = 1_200;
/** For so long those that are to be asked for again are gathered. */
const GATHER_MS = 200;

interface Entry {
  readonly sessions: readonly Session[];
  readonly at: number;
}

/**
 * Who is connected where, as this router knows it. "Offline" is never remembered: a device may connect at any moment,
 * and nobody would tell.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_USERS });
  readonly #loader: BatchLoader<string, readonly Session[]>;
  #ageing = new Set<string>();

  constructor(directory: SessionDirectory, clock: Clock) {
    this.#clock = clock;
    this.#loader = new BatchLoader(async (userIds) => {
      const at = clock.monotonic();
      const found = await directory.lookup(userIds);
      for (const [userId, sessions] of found) {
        if (sessions.length > 0) this.#entries.set(userId, { sessions, at });
        else this.#entries.delete(userId);
      }
      return found;
    });
  }

  /** The sessions of a user who was seen connected a moment ago; undefined: ask. */
  peek(userId: string): readonly Session[] | undefined {
    const entry = this.#entries.get(userId);
    const age = entry === undefined ? Infinity : this.#clock.monotonic() - entry.at;
    if (age > FRESH_MS) return undefined;
    if (age > REFRESH_MS) this.#refresh(userId);
    return entry?.sessions;
  }

  /**
   * Asks, whatever is remembered. Never rejects: users about whom nothing could be found out are missing, unless they
   * were seen connected some seconds ago.
   */
  async find(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Session[]>> {
    let found: ReadonlyMap<string, readonly Session[]>;
    try {
      found = await this.#loader.load(userIds);
    } catch {
      // The directory counts and logs its failures; here it only means: not known.
      found = new Map();
    }
    const missing = userIds.filter((userId) => !found.has(userId));
    if (missing.length === 0) return found;
    const completed = new Map(found);
    for (const userId of missing) {
      const stale = this.#within(userId, STALE_MS);
      if (stale !== undefined) completed.set(userId, stale);
    }
    return completed;
  }

  /** What is remembered, and the rest asked for. */
  async resolve(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Session[]>> {
    const known = new Map<string, readonly Session[]>();
    const unknown: string[] = [];
    for (const userId of userIds) {
      const sessions = this.peek(userId);
      if (sessions === undefined) unknown.push(userId);
      else known.set(userId, sessions);
    }
    if (unknown.length === 0) return known;
    const found = await this.find(unknown);
    for (const userId of unknown) {
      const sessions = found.get(userId);
      if (sessions !== undefined) known.set(userId, sessions);
    }
    return known;
  }

  /** An edge says that a socket isn't there. */
  forget(userId: string): void {
    this.#entries.delete(userId);
  }

  #refresh(userId: string): void {
    this.#ageing.add(userId);
    if (this.#ageing.size > 1) return;
    setTimeout(() => {
      const users = this.#ageing;
      this.#ageing = new Set();
      // Its failure is of no interest: what grows too old is asked for when it is needed.
      this.#loader.load(users).catch(() => undefined);
    }, GATHER_MS);
  }

  #within(userId: string, ageMs: number): readonly Session[] | undefined {
    const entry = this.#entries.get(userId);
    return entry !== undefined && this.#clock.monotonic() - entry.at <= ageMs ? entry.sessions : undefined;
  }
}
