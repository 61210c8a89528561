import type { ConversationView } from './conversation.js';
import type { Interval } from './intervals.js';
import type { Refusal } from './refusal.js';

// What the rules of this service need from others, by capability. All calls reject when the other side can't be reached.

export interface StoredMessage {
  readonly conversationId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly kind: number;
  readonly membershipVersion: number;
  readonly envelope: Uint8Array;
}

export interface GoneRange {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly reason: number;
}

export interface LogQuery {
  readonly conversationId: string;
  /** Only above. */
  readonly afterSeq: number;
  /** Only below; 0: no bound. */
  readonly beforeSeq: number;
  readonly fromMs: number;
  /** 0: no bound. */
  readonly toMs: number;
  readonly limit: number;
  readonly newestFirst: boolean;
}

export interface LogPage {
  readonly messages: readonly StoredMessage[];
  readonly gone: readonly GoneRange[];
  readonly floorSeq: number;
  readonly headSeq: number;
  /** Every seq from..to is in `messages` or `gone`, or outside the asked times; from > to: nothing is covered. */
  readonly coveredFromSeq: number;
  readonly coveredToSeq: number;
  readonly more: boolean;
}

export interface Head {
  readonly conversationId: string;
  readonly headSeq: number;
  readonly floorSeq: number;
  readonly membershipVersion: number;
  readonly expiredSeq: number;
}

export interface CursorRaise {
  readonly conversationId: string;
  readonly userId: string;
  readonly deviceId: string;
  /** 0: unchanged. */
  readonly deliveredSeq: number;
  /** 0: unchanged. */
  readonly readSeq: number;
}

/** The marks of a member; they only move forward. */
export interface Mark {
  readonly conversationId: string;
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

export interface MarkMove {
  readonly mark: Mark;
  readonly previousDeliveredSeq: number;
  readonly previousReadSeq: number;
}

export interface RaiseResult {
  readonly moves: readonly MarkMove[];
  /** Those that were above the head and did nothing. */
  readonly aboveHead: readonly CursorRaise[];
  /** Those whose owner could not be asked; to be tried again. */
  readonly failed: readonly CursorRaise[];
}

export interface CursorQuery {
  readonly userId: string;
  readonly deviceId: string;
  readonly deviceSinceMs: number;
  readonly starts: readonly { readonly conversationId: string; readonly startSeq: number }[];
}

export interface MarksQuery {
  readonly conversationIds: readonly string[];
  readonly userIds: readonly string[];
  /** 0: all, in one conversation. */
  readonly changedSinceMs: number;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface MarksPage {
  readonly marks: readonly Mark[];
  readonly nextPageToken: string;
}

export interface MessageState {
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly serverTimeMs: number;
  readonly expiresAtMs: number;
  readonly payloadGone: boolean;
  readonly goneReason: number;
}

/** Where the devices of a member are. */
export interface MemberCursors {
  readonly userId: string;
  readonly devices: readonly { readonly deviceId: string; readonly deliveredSeq: number }[];
  readonly readSeq: number;
}

export interface MembershipLogPage {
  readonly messages: readonly StoredMessage[];
  readonly membershipVersion: number;
  readonly more: boolean;
}

/** The log of conversations. */
export interface MessageLog {
  read(query: LogQuery): Promise<LogPage>;
  /** By conversation; unknown ones are left out. Any number of ids. */
  heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>>;
  /** Never rejects: what failed is in the result. */
  raiseCursors(raises: readonly CursorRaise[]): Promise<RaiseResult>;
  /** Of each device by conversation, in the order asked; missing cursors are made. */
  cursors(queries: readonly CursorQuery[]): Promise<readonly ReadonlyMap<string, number>[]>;
  marks(query: MarksQuery): Promise<MarksPage>;
  /** The marks that changed, in many conversations, page by page. */
  changedMarks(conversationIds: readonly string[], sinceMs: number): AsyncIterable<readonly Mark[]>;
  /** Undefined: the log has no document of it. Passed over: it never will, since the log was restored from a backup. */
  messageState(conversationId: string, seq: number): Promise<MessageState | 'passed-over' | undefined>;
  /** Of at most 1,000 users, as they are; members without any are left out. */
  memberCursors(conversationId: string, userIds: readonly string[]): Promise<readonly MemberCursors[]>;
  membershipLog(conversationId: string, afterVersion: number, limit: number): Promise<MembershipLogPage>;
  setRetention(retention: Retention): Promise<void>;
}

export interface Retention {
  readonly conversationId: string;
  readonly historyDays: number;
  readonly expireAfterSeconds: number;
}

/** A live socket of a device. */
export interface Session {
  readonly deviceId: string;
  readonly edgeId: string;
  readonly edgeIncarnation: string;
  readonly handle: number;
}

/** Who is connected where. */
export interface SessionDirectory {
  /** By user: an empty list for one without a session; users that could not be looked up are left out. */
  lookup(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Session[]>>;
}

export type LoadedConversation =
  { readonly found: true; readonly view: ConversationView } | { readonly found: false; readonly refusal: Refusal };

export interface LoadOptions {
  /** The log is known to be at least here. */
  readonly minVersion: number;
  /** Begin a private conversation that has no log yet. */
  readonly create: boolean;
}

export interface UserConversation {
  readonly conversationId: string;
  readonly intervals: readonly Interval[];
  readonly memberCount: number;
  /** The intervals are at least of this membership version; 0 where members never change. */
  readonly version: number;
}

export interface UserConversationsPage {
  readonly conversations: readonly UserConversation[];
  readonly nextPageToken: string;
}

export interface PageOf {
  readonly userId: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

/** Conversations and their members. */
export interface ConversationSource {
  load(conversationId: string, options: LoadOptions): Promise<LoadedConversation>;
  ofUser(page: PageOf): Promise<UserConversationsPage>;
  /** All conversations of each user; who is in very many is left out. */
  ofUsers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly UserConversation[]>>;
}

export interface RelationQuery {
  readonly owner: string;
  readonly other: string;
}

/** How `owner` stands to `other`. */
export interface Relation {
  readonly ownerExists: boolean;
  /** The owner has blocked the other. */
  readonly blocked: boolean;
  /** Whether the owner lets the other know what it has read. */
  readonly showsReads: boolean;
}

export interface RelationSource {
  /** In the order asked. */
  relations(queries: readonly RelationQuery[]): Promise<readonly Relation[]>;
}

export interface DeviceKey {
  readonly userId: string;
  readonly deviceId: string;
}

export interface DeviceSource {
  /** When devices were registered, ms since 1970, by device id; those that aren't known are left out. */
  registeredAt(devices: readonly DeviceKey[]): Promise<ReadonlyMap<string, number>>;
}

/** Somebody who isn't connected may have something new. */
export interface Wake {
  readonly userId: string;
  readonly conversationId: string;
  /** The newest seq the user was not reached with. */
  readonly seq: number;
  readonly senderUserId: string;
  readonly kind: number;
  readonly serverTimeMs: number;
  /** Of its fan-out's span; empty: not traced. */
  readonly traceparent: string;
}

export interface WakeSink {
  /** Resolves when the wake is stored; rejects when that isn't known. */
  store(wake: Wake): Promise<void>;
}
