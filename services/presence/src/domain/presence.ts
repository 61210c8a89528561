/** One run of an edge process. */
export interface EdgeRun {
  readonly edgeId: string;
  readonly incarnation: string;
}

export const isSameRun = (a: EdgeRun, b: EdgeRun): boolean => a.edgeId === b.edgeId && a.incarnation === b.incarnation;

/** Whether a user is online, and when they last went offline (ms since 1970; 0: never seen, or not known). */
export interface UserPresence {
  readonly online: boolean;
  readonly lastSeenMs: number;
}

export const UNKNOWN: UserPresence = { online: false, lastSeenMs: 0 };

/** What the registry has of a user at one edge. */
export interface EdgePresence extends EdgeRun {
  /** When the user's last socket there had gone; undefined: there is one. */
  readonly offlineAt: number | undefined;
}

/** Edges that are alive, with their incarnation. */
export type LiveEdges = ReadonlyMap<string, string>;

/** Online is who has a socket on an edge that is alive. */
export const isOnline = (stored: readonly EdgePresence[], live: LiveEdges): boolean =>
  stored.some(({ edgeId, incarnation, offlineAt }) => offlineAt === undefined && live.get(edgeId) === incarnation);

export const lastSeenIn = (stored: readonly EdgePresence[]): number =>
  stored.reduce((latest, { offlineAt = 0 }) => Math.max(latest, offlineAt), 0);

/** The user after a change: what was last seen stays known while they are online, and never goes back. */
export const changed = (before: UserPresence, change: UserPresence): UserPresence => ({
  online: change.online,
  lastSeenMs: Math.max(before.lastSeenMs, change.lastSeenMs),
});
