import type { ConversationChanges, Decision } from './change-conversation.js';
import type { Conversation } from './conversation-directory.js';
import { roleOf } from './conversation.js';
import { decideAdd, requireMayAdd, type MembersChanged } from './membership-rules.js';
import type { Actor, Users } from './ports.js';

export interface MembersToAdd {
  readonly conversationId: string;
  readonly actor: Actor;
  /** Each once. */
  readonly userIds: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export interface MembersAdded extends MembersChanged {
  /** Who has no account, or has blocked the actor. */
  readonly refusedIds: readonly string[];
}

export interface AddOptions {
  readonly changes: ConversationChanges;
  readonly users: Users;
  readonly maxMembers: number;
}

/** Adds those who exist, are not members already, and have not blocked the actor. */
export const addMembers = async (
  { changes, users, maxMembers }: AddOptions,
  wanted: MembersToAdd,
): Promise<MembersAdded> => {
  const { conversationId, actor, userIds, signal } = wanted;
  const known = new Map<string, boolean>();
  const learn = async (unknown: readonly string[]): Promise<void> => {
    if (unknown.length === 0) return;
    const standings = await users.towards(actor.userId, unknown);
    for (const [index, userId] of unknown.entries()) {
      const standing = standings[index];
      known.set(userId, standing !== undefined && standing.exists && !standing.blocked);
    }
  };
  const decide = async (group: Conversation): Promise<Decision<MembersAdded>> => {
    // Before account is asked, so that only those who may add can have it asked.
    requireMayAdd(group, actor.userId);
    const newcomers = userIds.filter((userId) => roleOf(group, userId) === undefined);
    await learn(newcomers.filter((userId) => !known.has(userId)));
    const admissible = newcomers.filter((userId) => known.get(userId) === true);
    const refusedIds = newcomers.filter((userId) => known.get(userId) !== true);
    const { change, answer } = decideAdd(group, { actor: actor.userId, admissible, maxMembers });
    return { change, answer: (after) => ({ ...answer(after), refusedIds }) };
  };
  return changes.run({ conversationId, actor, signal, decide });
};
