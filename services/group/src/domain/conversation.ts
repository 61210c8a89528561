export type Role = 'member' | 'admin' | 'owner';

/** Who may do something in a group. */
export type Permission = 'everyone' | 'admins';

export interface GroupSettings {
  readonly whoMaySend: Permission;
  readonly whoMayAdd: Permission;
}

export const DEFAULT_SETTINGS: GroupSettings = { whoMaySend: 'everyone', whoMayAdd: 'admins' };

/** A time of membership: the user sees seqs `from` to `to`, both included. `to` 0: still a member. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export interface RoleHolder {
  readonly userId: string;
  readonly role: Role;
}

export type Change =
  | {
      readonly kind: 'created';
      readonly members: readonly RoleHolder[];
      readonly name: string;
      readonly pictureMediaId: string;
      readonly settings: GroupSettings;
    }
  | { readonly kind: 'added'; readonly members: readonly RoleHolder[]; readonly inviteId: string }
  | { readonly kind: 'removed'; readonly userIds: readonly string[] }
  | { readonly kind: 'roles'; readonly members: readonly RoleHolder[] }
  | {
      readonly kind: 'group';
      readonly name: string;
      readonly pictureMediaId: string;
      readonly settings: GroupSettings;
    };

/** A membership message of the log. Its seq is the moment of the change and the version it leads to. */
export interface LogEntry {
  readonly seq: number;
  /** ms since 1970 */
  readonly serverTime: number;
  readonly change: Change;
}

/**
 * What the log says of one user in one conversation, up to `appliedSeq`, the last entry that named the user. It is a
 * function of the log up to there, so of two versions of a row the one with the higher `appliedSeq` is right.
 */
export interface MemberRow {
  readonly userId: string;
  /** The role in the last interval. */
  readonly role: Role;
  /** By seq; the last one is open for members of today. */
  readonly intervals: readonly Interval[];
  readonly appliedSeq: number;
}

/** A conversation as of `version`. Version 0: there is no log. */
export interface ConversationState {
  readonly conversationId: string;
  readonly version: number;
  readonly name: string;
  readonly pictureMediaId: string;
  readonly settings: GroupSettings;
  /** ms since 1970 */
  readonly createdAt: number;
  /** Members of today. */
  readonly memberCount: number;
  /** Everyone who is or was a member. */
  readonly members: ReadonlyMap<string, MemberRow>;
}

export const isActive = (row: MemberRow | undefined): boolean => row?.intervals.at(-1)?.to === 0;

/** The user's role today; undefined for those who are not members (any more). */
export const roleOf = (state: ConversationState, userId: string): Role | undefined => {
  const row = state.members.get(userId);
  return row !== undefined && isActive(row) ? row.role : undefined;
};

export const isAdmin = (role: Role | undefined): boolean => role === 'admin' || role === 'owner';

export const emptyConversation = (conversationId: string): ConversationState => ({
  conversationId,
  version: 0,
  name: '',
  pictureMediaId: '',
  settings: DEFAULT_SETTINGS,
  createdAt: 0,
  memberCount: 0,
  members: new Map(),
});
