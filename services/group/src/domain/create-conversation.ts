import { createHash } from 'node:crypto';
import { groupConversation } from '@godwit/ids/conversation';
import { idFromBytes } from '@godwit/ids/id';
import type { ConversationChanges, Decision } from './change-conversation.js';
import type { Conversation } from './conversation-directory.js';
import { DEFAULT_SETTINGS, isAdmin, roleOf, type GroupSettings } from './conversation.js';
import type { Actor, Users } from './ports.js';
import { Refusal, userNotFound } from './refusal.js';

// The first message of a conversation. It has the same id however often, and by whomever, it is made.
const CREATED_ID = 'created';
const CREATED_REST_ID = 'created-rest';
/** Entries of one membership message at most. */
export const MAX_PIECE = 500;

export interface CreateOptions {
  readonly changes: ConversationChanges;
  readonly users: Users;
}

export interface NewPrivate {
  readonly conversationId: string;
  readonly pair: readonly [string, string];
  /** Who is about to write, where that is known. */
  readonly actingUser?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const asItIs: Decision<Conversation> = { change: undefined, answer: (current) => current };

/**
 * The private conversation of two users, made if there is none yet.
 * @throws Refusal USER_NOT_FOUND; BLOCKED where the acting user is blocked by the other
 */
export const createPrivate = ({ changes, users }: CreateOptions, wanted: NewPrivate): Promise<Conversation> => {
  const [first, second] = wanted.pair;
  return changes.run({
    conversationId: wanted.conversationId,
    actor: { userId: first, deviceId: '' },
    clientMessageId: CREATED_ID,
    isNew: true,
    signal: wanted.signal,
    decide: async (current) => {
      if (current.version > 0) return asItIs;
      await requireMayMeet(users, wanted);
      const members = [first, second].map((userId) => ({ userId, role: 'member' as const }));
      return {
        change: { kind: 'created', members, name: '', pictureMediaId: '', settings: DEFAULT_SETTINGS },
        answer: (after) => after,
      };
    },
  });
};

const requireMayMeet = async (users: Users, { pair, actingUser }: NewPrivate): Promise<void> => {
  const [first, second] = pair;
  const standings = await Promise.all([users.towards(second, [first]), users.towards(first, [second])]);
  for (const [index, userId] of pair.entries()) {
    const standing = standings[index]?.[0];
    if (standing?.exists !== true) throw userNotFound('conversation_id', 'one of the two users does not exist');
    if (standing.blocked && actingUser !== undefined && userId !== actingUser) {
      throw new Refusal('permission-denied', 'BLOCKED', { message: 'this user does not take messages from you' });
    }
  }
};

export interface NewGroup {
  readonly owner: Actor;
  readonly clientRequestId: string;
  readonly name: string;
  readonly pictureMediaId: string;
  /** Without the owner, each once. */
  readonly memberIds: readonly string[];
  readonly settings: Partial<GroupSettings>;
  readonly signal?: AbortSignal | undefined;
}

/** The same request of the same user is the same group. */
export const groupIdFor = (owner: string, clientRequestId: string): string =>
  groupConversation(idFromBytes(createHash('sha256').update(`${owner}:${clientRequestId}`).digest()));

/**
 * A new group, or the one that this request has made before.
 * @throws Refusal USER_NOT_FOUND naming who does not exist or can't be added
 */
export const createGroup = async ({ changes, users }: CreateOptions, wanted: NewGroup): Promise<Conversation> => {
  const { owner, name, pictureMediaId, memberIds, signal } = wanted;
  const conversationId = groupIdFor(owner.userId, wanted.clientRequestId);
  const settings = { ...DEFAULT_SETTINGS, ...wanted.settings };
  const firstIds = memberIds.slice(0, MAX_PIECE - 1);
  const created = await changes.run<Conversation>({
    conversationId,
    actor: owner,
    clientMessageId: CREATED_ID,
    isNew: true,
    signal,
    decide: async (current) => {
      if (current.version > 0) return asItIs;
      await requireMayStart(users, owner.userId, memberIds);
      const others = firstIds.map((userId) => ({ userId, role: 'member' as const }));
      const members = [{ userId: owner.userId, role: 'owner' as const }, ...others];
      return { change: { kind: 'created', members, name, pictureMediaId, settings }, answer: (after) => after };
    },
  });
  const restIds = memberIds.slice(MAX_PIECE - 1);
  if (restIds.every((userId) => created.members.has(userId))) return created;
  return changes.run<Conversation>({
    conversationId,
    actor: owner,
    clientMessageId: CREATED_REST_ID,
    signal,
    decide: (current) => decideRest(current, owner.userId, restIds),
  });
};

/** Those for whom the first message had no room. Who has been removed since is not brought back by a late retry. */
const decideRest = (current: Conversation, ownerId: string, restIds: readonly string[]): Decision<Conversation> => {
  const missing = restIds.filter((userId) => !current.members.has(userId));
  if (missing.length === 0 || !isAdmin(roleOf(current, ownerId))) return asItIs;
  const members = missing.map((userId) => ({ userId, role: 'member' as const }));
  return { change: { kind: 'added', members, inviteId: '' }, answer: (after) => after };
};

const requireMayStart = async (users: Users, owner: string, memberIds: readonly string[]): Promise<void> => {
  const [ownerExists, standings] = await Promise.all([users.exists(owner), users.towards(owner, memberIds)]);
  if (!ownerExists) throw userNotFound('godwit-user', 'the acting user does not exist');
  const index = standings.findIndex(({ exists, blocked }) => !exists || blocked);
  if (index === -1) return;
  throw new Refusal('invalid-argument', 'USER_NOT_FOUND', {
    message: 'this user does not exist or can not be added',
    field: `member_user_ids[${String(index)}]`,
  });
};
