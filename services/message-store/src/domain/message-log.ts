import type { Head } from './head-cache.js';
import type { LoggedMessage, MessageId, MessagePlace, NumberedMessage, StoredAck, TargetMessage } from './message.js';
import type { Retention } from './retention.js';

// The ports of the log. All reads are at majority, all writes on a majority and journaled. Reads throw when there is no
// answer; writes that are no plain success say what is known.

export type InsertResult =
  | { readonly kind: 'stored' }
  /** A unique index refused one of them; the ones before it may be stored. */
  | { readonly kind: 'seq-taken'; readonly position: number }
  | { readonly kind: 'id-taken'; readonly position: number }
  /** Timeout, network, step-down, write concern: any of them may be stored, now or a little later. */
  | { readonly kind: 'uncertain'; readonly error: unknown };

/** What an append needs of the log. */
export interface AppendLog {
  /** Of every asked conversation; one that doesn't exist has seq 0. */
  loadHeads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>>;
  /** What is stored under these ids, by `idKey`. */
  findByIds(ids: readonly MessageId[]): Promise<ReadonlyMap<string, StoredAck>>;
  /** By `placeKey`. */
  findTargets(places: readonly MessagePlace[]): Promise<ReadonlyMap<string, TargetMessage>>;
  /** Removes the payloads of these messages and of their edits, for good. */
  removePayloads(places: readonly MessagePlace[]): Promise<void>;
  /** In this order, ending at the first that is refused. Never throws. */
  insert(messages: readonly NumberedMessage[]): Promise<InsertResult>;
}

/** A run of seqs, both included. */
export interface SeqRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** What the log keeps of a conversation beside its messages. */
export interface ConversationRecord {
  readonly headSeq: number;
  readonly membershipVersion: number;
  readonly serverTimeMs: number;
  /** All up to here are gone. */
  readonly floorSeq: number;
  /** Tombstones up to here have their end. */
  readonly purgeSeq: number;
  /** The highest seq that expired before every member had it. */
  readonly expiredSeq: number;
  /** Passed over when the log was restored from a backup, by rising seq: there never is a message. */
  readonly skipped: readonly SeqRange[];
  readonly retention: Retention;
}

export interface LogScan {
  readonly conversationId: string;
  /** Both included. */
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly newestFirst: boolean;
  /** How many the reader will probably take. */
  readonly expected: number;
}

/** What reads need of the log. */
export interface LogReader {
  conversation(conversationId: string): Promise<ConversationRecord | undefined>;
  /** The newest message, or undefined without any. */
  newest(conversationId: string): Promise<Omit<Head, 'retention'> | undefined>;
  /** The lowest seq that was stored at or after this time. */
  firstSince(conversationId: string, timeMs: number): Promise<number | undefined>;
  scan(scan: LogScan): AsyncIterable<LoggedMessage>;
  /** Membership changes above this seq, oldest first. */
  membershipAfter(place: MessagePlace, limit: number): Promise<readonly LoggedMessage[]>;
  message(place: MessagePlace): Promise<LoggedMessage | undefined>;
}
