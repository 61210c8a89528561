import { parseConversation, peerOf } from '@godwit/ids/conversation';
import type { Conversation, ConversationDirectory } from './conversation-directory.js';
import { isActive, roleOf, type GroupSettings, type Interval, type Role, type RoleHolder } from './conversation.js';
import { requireMember } from './membership-rules.js';
import type { ConversationHead, UserConversationRow, UserConversations } from './ports.js';
import { conversationNotFound, notAMember } from './refusal.js';

/** A group as one of its members, of today or of before, may see it. */
export interface GroupView {
  readonly conversationId: string;
  readonly name: string;
  readonly pictureMediaId: string;
  readonly settings: GroupSettings;
  readonly version: number;
  readonly memberCount: number;
  readonly createdAt: number;
  /** Undefined: not a member any more. */
  readonly myRole: Role | undefined;
}

/**
 * The group in the eyes of the user. Who has left is told the version at which that was, and no number of members.
 * @throws Refusal NOT_A_MEMBER for who never was one
 */
export const viewGroup = (group: Conversation, userId: string): GroupView => {
  if (group.version === 0) throw conversationNotFound();
  const row = group.members.get(userId);
  if (row === undefined) throw notAMember();
  const { conversationId, name, pictureMediaId, settings, createdAt } = group;
  const common = { conversationId, name, pictureMediaId, settings, createdAt };
  return isActive(row)
    ? { ...common, version: group.version, memberCount: group.memberCount, myRole: row.role }
    : { ...common, version: row.intervals.at(-1)?.to ?? 0, memberCount: 0, myRole: undefined };
};

// Pages of a large group follow each other while it does not change.
const sorted = new WeakMap<Conversation['members'], readonly RoleHolder[]>();

const activeMembers = ({ members }: Conversation): readonly RoleHolder[] => {
  const known = sorted.get(members);
  if (known !== undefined) return known;
  const active = [...members.values()]
    .filter(isActive)
    .map(({ userId, role }) => ({ userId, role }))
    .sort((a, b) => (a.userId < b.userId ? -1 : 1));
  sorted.set(members, active);
  return active;
};

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page goes on; empty: there is none. */
  readonly nextAfter: string;
}

/** Members of today by user id, to one of them. */
export const pageMembers = (
  group: Conversation,
  { actor, after, limit }: { actor: string; after: string; limit: number },
): Page<RoleHolder> => {
  requireMember(group, actor);
  const active = activeMembers(group);
  const start = after === '' ? 0 : active.findIndex(({ userId }) => userId > after);
  if (start === -1) return { items: [], nextAfter: '' };
  const items = active.slice(start, start + limit);
  return { items, nextAfter: start + limit < active.length ? (items.at(-1)?.userId ?? '') : '' };
};

export interface ConversationView {
  readonly conversationId: string;
  /** Of a group. */
  readonly group?: GroupView;
  /** Of a private chat. */
  readonly peerUserId: string;
  readonly mutedUntil: number;
}

export interface ListOptions {
  readonly directory: ConversationDirectory;
  readonly userConversations: UserConversations;
}

export interface ListPage {
  readonly userId: string;
  readonly after: string;
  readonly limit: number;
}

/** What the user is in today. */
export const listConversations = async (options: ListOptions, page: ListPage): Promise<Page<ConversationView>> => {
  const rows = await options.userConversations.page({ ...page, activeOnly: true });
  const heads = await headsOf(options, rows);
  return { items: rows.map((row) => viewRow(row, heads, page.userId)), nextAfter: nextAfter(rows, page.limit) };
};

const viewRow = (row: UserConversationRow, heads: ReadonlyMap<string, GroupHead>, userId: string): ConversationView => {
  const { conversationId, mutedUntil } = row;
  const parsed = parseConversation(conversationId);
  if (parsed?.kind === 'private') return { conversationId, peerUserId: peerOf(parsed, userId) ?? '', mutedUntil };
  const head = heads.get(conversationId);
  if (head === undefined) return { conversationId, peerUserId: '', mutedUntil };
  const { name, pictureMediaId, settings, version, memberCount, createdAt } = head;
  const group = { conversationId, name, pictureMediaId, settings, version, memberCount, createdAt, myRole: row.role };
  return { conversationId, group, peerUserId: '', mutedUntil };
};

export interface UserConversation {
  readonly conversationId: string;
  readonly intervals: readonly Interval[];
  /** Members of today. */
  readonly memberCount: number;
  /** The intervals are at least of this version; 0 for private chats. */
  readonly version: number;
}

/** What the user is or was in, with when. */
export const listUserConversations = async (options: ListOptions, page: ListPage): Promise<Page<UserConversation>> => {
  const query = { ...page, activeOnly: false };
  const found = await options.userConversations.page(query);
  const heads = await headsOf(options, found);
  // Rows are written before versions, so they are read after them: else a change could slip in between.
  const rows = heads.size === 0 ? found : await options.userConversations.page(query);
  return { items: rows.map((row) => userConversation(row, heads)), nextAfter: nextAfter(rows, page.limit) };
};

/**
 * The same for many users, as far as `limit` rows go: who is only in part among them is left out. Who is in nothing is
 * there with nothing.
 */
export const listConversationsOfUsers = async (
  options: ListOptions,
  userIds: readonly string[],
  limit: number,
): Promise<ReadonlyMap<string, readonly UserConversation[]>> => {
  const found = await options.userConversations.ofUsers(userIds, limit + 1);
  const heads = await headsOf(options, found);
  const rows = heads.size === 0 ? found : await options.userConversations.ofUsers(userIds, limit + 1);
  const byUser = new Map<string, UserConversation[]>();
  // In the order of the rows: all users before that of the last row are there in full.
  const cut = rows.length > limit ? rows.at(-1)?.userId : undefined;
  for (const userId of userIds) if (cut === undefined || userId < cut) byUser.set(userId, []);
  for (const row of rows) byUser.get(row.userId)?.push(userConversation(row, heads));
  return byUser;
};

const userConversation = (
  { conversationId, intervals }: UserConversationRow,
  heads: ReadonlyMap<string, GroupHead>,
): UserConversation => {
  const head = heads.get(conversationId);
  const memberCount = isPrivate(conversationId) ? 2 : (head?.memberCount ?? 0);
  return { conversationId, intervals, memberCount, version: head?.version ?? 0 };
};

type GroupHead = Omit<ConversationHead, 'muteVersion'>;

const isPrivate = (conversationId: string): boolean => parseConversation(conversationId)?.kind === 'private';

const nextAfter = (rows: readonly UserConversationRow[], limit: number): string =>
  rows.length < limit ? '' : (rows.at(-1)?.conversationId ?? '');

/** Heads of the groups among the rows. One that has rows and no head was left by a crash, and is repaired. */
const headsOf = async (
  { directory, userConversations }: ListOptions,
  rows: readonly UserConversationRow[],
): Promise<ReadonlyMap<string, GroupHead>> => {
  const groupIds = [...new Set(rows.map(({ conversationId }) => conversationId))].filter((id) => !isPrivate(id));
  if (groupIds.length === 0) return new Map();
  const heads = new Map<string, GroupHead>(await userConversations.heads(groupIds));
  for (const id of groupIds) if (!heads.has(id)) heads.set(id, await directory.load(id));
  return heads;
};

/** The conversation to the fleet, or a Refusal where there is none. */
export const requireConversation = (conversation: Conversation): Conversation => {
  if (conversation.version === 0) throw conversationNotFound();
  return conversation;
};

/** @throws Refusal NOT_A_MEMBER unless the user is a member today */
export const requireActive = (conversation: Conversation, userId: string): void => {
  if (roleOf(requireConversation(conversation), userId) === undefined) throw notAMember();
};
