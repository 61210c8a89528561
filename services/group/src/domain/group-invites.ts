import { createHash } from 'node:crypto';
import { idFromBytes, isId, newId } from '@godwit/ids/id';
import type { Clock } from '@godwit/runtime/clock';
import type { ConversationChanges, Decision } from './change-conversation.js';
import type { Conversation, ConversationDirectory } from './conversation-directory.js';
import { isAdmin } from './conversation.js';
import { decideJoin, requireMayAdd, requireMember } from './membership-rules.js';
import type { Actor, Invite, Invites } from './ports.js';
import { inviteNotFound, notAnAdmin, Refusal } from './refusal.js';

export interface InviteOptions {
  readonly directory: ConversationDirectory;
  readonly changes: ConversationChanges;
  readonly invites: Invites;
  readonly clock: Clock;
  readonly maxMembers: number;
}

export interface NewInvite {
  readonly conversationId: string;
  readonly actor: string;
  readonly validMs: number;
  /** 0: any number. */
  readonly maxJoins: number;
}

/** An invite is stored and named by the hash of its token: who reads the store, or knows the name, can't join by it. */
const inviteIdOf = (token: string): string => idFromBytes(createHash('sha256').update(token).digest());

/** The token is shown this once. */
export const createInvite = async (
  { directory, invites, clock }: InviteOptions,
  { conversationId, actor, validMs, maxJoins }: NewInvite,
): Promise<{ readonly token: string; readonly invite: Invite }> => {
  requireMayAdd(await directory.load(conversationId), actor);
  const token = newId();
  const createdAt = clock.now();
  const invite: Invite = {
    inviteId: inviteIdOf(token),
    conversationId,
    createdBy: actor,
    createdAt,
    expiresAt: createdAt + validMs,
    maxJoins,
    joins: 0,
    revoked: false,
  };
  await invites.insert(invite);
  return { token, invite };
};

export interface InviteToRevoke {
  readonly conversationId: string;
  readonly inviteId: string;
  readonly actor: string;
}

/** By an admin, or by the member who made it. */
export const revokeInvite = async (
  { directory, invites }: InviteOptions,
  { conversationId, inviteId, actor }: InviteToRevoke,
): Promise<void> => {
  const role = requireMember(await directory.load(conversationId), actor);
  const invite = await invites.find(inviteId);
  if (invite?.conversationId !== conversationId) throw inviteNotFound('this group has no such invite');
  if (!isAdmin(role) && invite.createdBy !== actor) throw notAnAdmin();
  await invites.revoke(inviteId);
};

export interface Joining {
  readonly token: string;
  readonly actor: Actor;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Joins the group of the invite; for members of it nothing changes.
 * @throws Refusal INVITE_NOT_FOUND for one that is unknown, revoked, expired or used up
 */
export const joinByInvite = async (
  options: InviteOptions,
  { token, actor, signal }: Joining,
): Promise<Conversation> => {
  const { invites, clock, changes, maxMembers } = options;
  const gone = inviteNotFound('this invite does not exist (any more)');
  const invite = isId(token) ? await invites.find(inviteIdOf(token)) : undefined;
  if (invite === undefined || invite.revoked || invite.expiresAt <= clock.now()) throw gone;
  const { inviteId, conversationId } = invite;
  const use = { inviteId, userId: actor.userId };
  let counted = false;
  const decide = async (group: Conversation): Promise<Decision<Conversation>> => {
    const decision = decideJoin(group, { actor: actor.userId, inviteId, maxMembers });
    if (decision.change === undefined || counted) return decision;
    counted = await invites.countJoin({ ...use, now: clock.now() });
    if (!counted) throw gone;
    return decision;
  };
  try {
    return await changes.run({ conversationId, actor, signal, decide });
  } catch (error) {
    // After any other failure the user may be in, or come in with the next try, which is not counted again.
    if (counted && error instanceof Refusal) await invites.uncountJoin(use);
    throw error;
  }
};
