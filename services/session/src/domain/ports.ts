import type { EdgeProcess, EvictionReason, StoredSession } from './session.js';

export interface StoredLease {
  readonly edgeId: string;
  readonly incarnation: string;
  readonly remainingMs: number;
}

/** What becomes of one device's stored session: put there, or removed; neither touches a newer epoch. */
export type SessionChange =
  | { readonly kind: 'put'; readonly session: StoredSession }
  | { readonly kind: 'remove'; readonly deviceId: string; readonly epoch: number };

/** Changes by user, then by device. */
export type SessionChanges = ReadonlyMap<string, ReadonlyMap<string, SessionChange>>;

/** A stored session that is newer than the one that was to be written. */
export interface NewerSession {
  readonly userId: string;
  readonly session: StoredSession;
}

/**
 * What the replicas know of each other's sessions. It may be away or lose everything; all methods then throw
 * ArchiveUnavailable (or find nothing), and the directory goes on from memory.
 */
export interface SessionArchive {
  load(userIds: readonly string[]): Promise<Map<string, readonly StoredSession[]>>;
  write(changes: SessionChanges): Promise<readonly NewerSession[]>;
  keepLease(edgeId: string, incarnation: string): Promise<void>;
  leases(edgeIds: readonly string[]): Promise<readonly StoredLease[]>;
  /** Leaves notices for other replicas. */
  tell(notices: ReadonlyMap<string, ReadonlySet<string>>): Promise<void>;
}

export class ArchiveUnavailable extends Error {
  override readonly name = 'ArchiveUnavailable';
}

/** The streams of the edges to this replica. */
export interface EdgeLinks {
  /** Tells the edge to close a socket; false when it has no stream here at present. */
  evict(edge: EdgeProcess, handle: number, reason: EvictionReason): boolean;
}

/** What is worth counting. */
export interface DirectoryEvents {
  evicted(reason: EvictionReason): void;
  archiveFailed(operation: 'load' | 'write' | 'lease' | 'tell', error: unknown): void;
  edgeEnded(edge: EdgeProcess): void;
}

/** What keeps the archive and the memory of this replica together. */
export interface ArchiveUpkeep {
  /** Whether everything this process has written since `setMarkers` is still there. */
  markersIntact(): Promise<boolean>;
  /** From now on a loss of anything can be noticed. */
  setMarkers(): Promise<void>;
  /** The notices of other replicas for this one, at most a thousand at a time; each is given once. */
  takeTold(): Promise<readonly string[]>;
}
