import type { Change, GroupSettings, Interval, LogEntry, MemberRow, Role } from './conversation.js';

/** What there is of a conversation beside its members. */
export interface ConversationHead {
  readonly conversationId: string;
  readonly version: number;
  readonly name: string;
  readonly pictureMediaId: string;
  readonly settings: GroupSettings;
  readonly createdAt: number;
  readonly memberCount: number;
  /** Goes up with every change of a member's mute, which the log knows nothing of. */
  readonly muteVersion: number;
}

export interface StoredMember extends MemberRow {
  /** ms since 1970; 0: not muted. */
  readonly mutedUntil: number;
}

export interface MembersToRead {
  readonly conversationId: string;
  /** Rows that an entry after this version has touched ... */
  readonly changedAfter: number;
  /** ... and rows that are muted longer than this (ms since 1970). */
  readonly mutedAfter: number;
}

/**
 * The stored projections of the log. Raising is idempotent and safe between replicas: what is stored already, from the
 * same or a later place in the log, is kept.
 */
export interface Projections {
  head(conversationId: string): Promise<ConversationHead | undefined>;
  members(read: MembersToRead): Promise<readonly StoredMember[]>;
  /** Rows of the conversation and of its users, raised by `appliedSeq`. Not atomic: some may be written and some not. */
  raiseRows(conversationId: string, rows: readonly MemberRow[]): Promise<void>;
  /** By `version`; after the rows that led to it. */
  raiseHead(head: Omit<ConversationHead, 'muteVersion'>): Promise<void>;
}

export interface UserConversationRow {
  readonly conversationId: string;
  readonly role: Role;
  readonly intervals: readonly Interval[];
  readonly mutedUntil: number;
}

export interface UserConversationRowOf extends UserConversationRow {
  readonly userId: string;
}

export interface UserConversationsPage {
  readonly userId: string;
  /** Conversation ids above this; empty: from the start. */
  readonly after: string;
  readonly limit: number;
  /** Only what the user is a member of today. */
  readonly activeOnly: boolean;
}

/** The same projections, read by user. */
export interface UserConversations {
  page(page: UserConversationsPage): Promise<readonly UserConversationRow[]>;
  /** By user and conversation, at most `limit` rows in all. */
  ofUsers(userIds: readonly string[], limit: number): Promise<readonly UserConversationRowOf[]>;
  /** Those of the conversations that have one. */
  heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, ConversationHead>>;
}

export interface Mutes {
  /** False: the user has no row there. */
  set(mute: { readonly conversationId: string; readonly userId: string; readonly until: number }): Promise<boolean>;
}

export interface MembershipAppend {
  readonly conversationId: string;
  /** Makes the append idempotent. */
  readonly clientMessageId: string;
  readonly actor: Actor;
  /** The version the change was decided on. */
  readonly basedOn: number;
  readonly change: Change;
}

export type AppendOutcome =
  | { readonly kind: 'stored'; readonly seq: number; readonly serverTime: number; readonly duplicate: boolean }
  /** The log has moved on, or holds something else under the id: read it and decide again. */
  | { readonly kind: 'stale'; readonly version: number };

/** The log of the conversations, which says what is so. */
export interface MembershipLog {
  append(append: MembershipAppend): Promise<AppendOutcome>;
  /** Entries after the version, oldest first; `version`: where the log is now. */
  read(
    conversationId: string,
    afterVersion: number,
  ): Promise<{ readonly entries: readonly LogEntry[]; readonly version: number; readonly more: boolean }>;
}

export interface Actor {
  readonly userId: string;
  /** Empty where the caller named none. */
  readonly deviceId: string;
}

/** Who there is, and how they stand to another. */
export interface Users {
  exists(userId: string): Promise<boolean>;
  /** In the order of `userIds`: whether each exists and whether it has blocked `towards`. Any number of users. */
  towards(
    towards: string,
    userIds: readonly string[],
  ): Promise<readonly { readonly exists: boolean; readonly blocked: boolean }[]>;
}

/** Tells others, as well as it can, that a conversation is at this version. Never fails, never waits. */
export interface MembershipFacts {
  changed(conversationId: string, version: number): void;
}

/** What the operator counts. */
export interface Observations {
  /** Projections were found behind the log and brought up to date. */
  caughtUp(): void;
  /** A change had to be decided again: the log had moved on. */
  decidedAgain(): void;
}

export interface Invite {
  readonly inviteId: string;
  readonly conversationId: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** 0: any number. */
  readonly maxJoins: number;
  readonly joins: number;
  readonly revoked: boolean;
}

export interface InviteUse {
  readonly inviteId: string;
  readonly userId: string;
}

export interface Invites {
  insert(invite: Invite): Promise<void>;
  find(inviteId: string): Promise<Invite | undefined>;
  revoke(inviteId: string): Promise<void>;
  /**
   * Counts the user's join, unless the invite is used up, revoked or expired by then: false. A user who was counted a
   * short while ago is not counted again.
   */
  countJoin(join: InviteUse & { readonly now: number }): Promise<boolean>;
  /** Takes a counted join back that came to nothing. */
  uncountJoin(join: InviteUse): Promise<void>;
}
