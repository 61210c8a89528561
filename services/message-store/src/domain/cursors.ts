// Who has what. A cursor belongs to a device, a mark to a user; both only move forward.

export interface CursorRaise {
  readonly conversationId: string;
  readonly userId: string;
  readonly deviceId: string;
  /** 0: unchanged. */
  readonly deliveredSeq: number;
  /** 0: unchanged. */
  readonly readSeq: number;
}

/** A member's marks: what any of its devices has, and what it has read. */
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

/** What is written for one member: the raises of all its devices, merged. */
export interface MemberRaise {
  readonly conversationId: string;
  readonly userId: string;
  /** By device. */
  readonly delivered: Map<string, number>;
  readSeq: number;
}

export interface MemberKey {
  readonly conversationId: string;
  readonly userId: string;
}

export const memberKey = ({ conversationId, userId }: MemberKey): string => `${conversationId} ${userId}`;

export interface MarksQuery {
  readonly conversationIds: readonly string[];
  /** Empty: all. */
  readonly userIds: readonly string[];
  /** 0: all. */
  readonly changedSinceMs: number;
  readonly pageSize: number;
  /** The last one of the page before. */
  readonly after: MemberKey | undefined;
}

/** A member's stored cursors. */
export interface MemberCursors extends MemberKey {
  readonly delivered: ReadonlyMap<string, number>;
  readonly highSeq: number;
  readonly readSeq: number;
}

export interface CursorStore {
  /** By `memberKey`; members without any are left out. */
  marksOf(members: readonly MemberKey[]): Promise<ReadonlyMap<string, Mark>>;
  /** Raises only. */
  raise(raises: readonly MemberRaise[]): Promise<void>;
  /** By `memberKey`; members without any are left out. */
  cursorsOf(members: readonly MemberKey[]): Promise<ReadonlyMap<string, MemberCursors>>;
  /** Makes missing cursors of a device. Moves no mark: the device has nothing yet. */
  create(device: { userId: string; deviceId: string }, starts: ReadonlyMap<string, number>): Promise<void>;
  /** The lowest seq that was stored at or after this time, by conversation; left out where there is none. */
  firstSince(conversationIds: readonly string[], timeMs: number): Promise<ReadonlyMap<string, number>>;
  /** Ordered by conversation and user. */
  marks(query: MarksQuery): Promise<readonly Mark[]>;
  /** Cursors of all members of a conversation, of these users. */
  cursorsIn(conversationId: string, userIds: readonly string[]): Promise<readonly MemberCursors[]>;
}
