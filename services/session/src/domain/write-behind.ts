import { Coalescer } from '@godwit/runtime/coalescer';
import type { DirectoryEvents, NewerSession, SessionArchive, SessionChange, SessionChanges } from './ports.js';
import { RecentRemovals } from './recent-removals.js';
import type { StoredSession } from './session.js';

/** Long enough to write what arrives together in one pipeline, short enough that other replicas hardly lag. */
const INTERVAL_MS = 5;
const MAX_USERS = 50_000;
/** Users written in one pipeline. */
const PIECE = 500;
/** Removals kept while the archive is away. What is beyond is removed by the archive's own time to live. */
const MAX_KEPT_REMOVALS = 100_000;

type UserChanges = ReadonlyMap<string, SessionChange>;

export interface WriteBehindOptions {
  readonly archive: SessionArchive;
  readonly events: DirectoryEvents;
  /** Another replica has written a newer session than ours. */
  readonly onNewer: (newer: NewerSession) => void;
}

/**
 * Writes sessions through to the archive, merged per device, without anybody waiting for it. What can't be written is
 * not kept (memory has it): the archive counts as incomplete until everything was written again.
 */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  readonly #changes: Coalescer<string, UserChanges>;
  /** Removals that could not be written. */
  #removals = new Map<string, UserChanges>();
  readonly #removed = new RecentRemovals();
  #missed = false;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
    this.#changes = new Coalescer({
      intervalMs: INTERVAL_MS,
      maxKeys: MAX_USERS,
      merge: mergeChanges,
      flush: (entries) => this.#write(entries),
      onError: (error) => {
        options.events.archiveFailed('write', error);
      },
    });
  }

  /** Something could not be written: the archive lacks it until all sessions have been put again. */
  get missed(): boolean {
    return this.#missed;
  }

  isPending(userId: string): boolean {
    return this.#changes.peek(userId) !== undefined;
  }

  put(userId: string, session: StoredSession): void {
    this.#removed.delete(userId, session.deviceId);
    this.#add(userId, session.deviceId, { kind: 'put', session });
  }

  remove(userId: string, deviceId: string, epoch: number): void {
    this.#removed.add(userId, deviceId, epoch);
    this.#add(userId, deviceId, { kind: 'remove', deviceId, epoch });
  }

  /**
   * The epoch up to which a device's session was removed here although the archive may have it yet: the removal waits,
   * is under way, could not be written, or was written while the session was being read.
   */
  removedEpoch(userId: string, deviceId: string): number | undefined {
    const missed = this.#removals.get(userId)?.get(deviceId);
    return this.#removed.epochOf(userId, deviceId) ?? (missed?.kind === 'remove' ? missed.epoch : undefined);
  }

  /** Called each second. */
  age(): void {
    this.#removed.age();
  }

  /** All sessions are about to be put again; the removals that were missed go along. */
  beginAgain(): void {
    this.#missed = false;
    const removals = this.#removals;
    this.#removals = new Map();
    for (const [userId, changes] of removals) {
      for (const [deviceId, change] of changes) this.#add(userId, deviceId, change);
    }
  }

  flush(): Promise<void> {
    return this.#changes.flush();
  }

  stop(): Promise<void> {
    return this.#changes.stop();
  }

  #add(userId: string, deviceId: string, change: SessionChange): void {
    if (!this.#changes.set(userId, new Map([[deviceId, change]]))) this.#missed = true;
  }

  /** One piece after the other: thousands at once would take longer than an answer may take. */
  async #write(changes: SessionChanges): Promise<void> {
    const users = [...changes];
    for (let from = 0; from < users.length; from += PIECE)
      await this.#writePiece(new Map(users.slice(from, from + PIECE)));
  }

  async #writePiece(changes: SessionChanges): Promise<void> {
    try {
      const newer = await this.#options.archive.write(changes);
      for (const session of newer) this.#options.onNewer(session);
    } catch (error) {
      this.#options.events.archiveFailed('write', error);
      this.#missed = true;
      this.#keepRemovals(changes);
    }
  }

  #keepRemovals(changes: SessionChanges): void {
    for (const [userId, byDevice] of changes) {
      const removals = new Map([...byDevice].filter(([, { kind }]) => kind === 'remove'));
      const kept = this.#removals.get(userId);
      if (removals.size === 0 || (kept === undefined && this.#removals.size >= MAX_KEPT_REMOVALS)) continue;
      this.#removals.set(userId, kept === undefined ? removals : mergeChanges(kept, removals));
    }
  }
}

const mergeChanges = (older: UserChanges, newer: UserChanges): UserChanges => new Map([...older, ...newer]);
