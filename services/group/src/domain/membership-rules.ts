import type { Decision } from './change-conversation.js';
import type { Conversation } from './conversation-directory.js';
import { isAdmin, roleOf, type GroupSettings, type Role } from './conversation.js';
import { conversationNotFound, notAMember, notAnAdmin, notTheOwner, Refusal, userNotFound } from './refusal.js';

// Who may do what in a group. Each rule gets the group as it is and gives the change, or none where it is so already.

/** What a change of members answers. */
export interface MembersChanged {
  readonly userIds: readonly string[];
  readonly version: number;
}

/** @throws Refusal NOT_A_MEMBER, or CONVERSATION_NOT_FOUND where there is none */
export const requireMember = (group: Conversation, userId: string): Role => {
  if (group.version === 0) throw conversationNotFound();
  const role = roleOf(group, userId);
  if (role === undefined) throw notAMember();
  return role;
};

const requireAdmin = (group: Conversation, userId: string): Role => {
  const role = requireMember(group, userId);
  if (!isAdmin(role)) throw notAnAdmin();
  return role;
};

/** @throws Refusal NOT_AN_ADMIN where only admins may add */
export const requireMayAdd = (group: Conversation, userId: string): void => {
  const role = requireMember(group, userId);
  if (group.settings.whoMayAdd === 'admins' && !isAdmin(role)) throw notAnAdmin();
};

export const requireRoom = (group: Conversation, joining: number, maxMembers: number): void => {
  if (group.memberCount + joining <= maxMembers) return;
  throw new Refusal('failed-precondition', 'GROUP_FULL', {
    message: `a group has at most ${String(maxMembers)} members`,
  });
};

const members =
  (userIds: readonly string[]) =>
  (after: Conversation): MembersChanged => ({
    userIds,
    version: after.version,
  });

const version = (after: Conversation): number => after.version;

/** `admissible`: those of the users who exist and let the actor add them. */
export const decideAdd = (
  group: Conversation,
  { actor, admissible, maxMembers }: { actor: string; admissible: readonly string[]; maxMembers: number },
): Decision<MembersChanged> => {
  requireMayAdd(group, actor);
  const added = admissible.filter((userId) => roleOf(group, userId) === undefined);
  requireRoom(group, added.length, maxMembers);
  return {
    change:
      added.length === 0
        ? undefined
        : { kind: 'added', members: added.map((userId) => ({ userId, role: 'member' })), inviteId: '' },
    answer: members(added),
  };
};

export const decideRemove = (
  group: Conversation,
  { actor, userIds }: { actor: string; userIds: readonly string[] },
): Decision<MembersChanged> => {
  const isLeaving = userIds.length === 1 && userIds[0] === actor;
  const role = isLeaving ? requireMember(group, actor) : requireAdmin(group, actor);
  const removed = userIds.filter((userId) => roleOf(group, userId) !== undefined);
  if (removed.includes(actor)) requireMayLeave(group, actor, removed.length);
  for (const userId of removed) {
    const target = roleOf(group, userId);
    if (userId === actor || role === 'owner' || target === 'member') continue;
    throw notTheOwner(target === 'owner' ? 'the owner can not be removed' : 'only the owner removes admins');
  }
  return { change: removed.length === 0 ? undefined : { kind: 'removed', userIds: removed }, answer: members(removed) };
};

/** An owner hands over first, unless nobody is left behind. */
const requireMayLeave = (group: Conversation, actor: string, leaving: number): void => {
  if (roleOf(group, actor) !== 'owner' || group.memberCount === leaving) return;
  throw new Refusal('failed-precondition', 'OWNER_MUST_TRANSFER', {
    message: 'the owner hands the group over before leaving it',
  });
};

/** Who has left already is told since when, so that a call may be repeated. */
export const decideLeave = (group: Conversation, actor: string): Decision<number> => {
  const leftAt = group.members.get(actor)?.intervals.at(-1)?.to ?? 0;
  if (leftAt > 0) return { change: undefined, answer: () => leftAt };
  requireMember(group, actor);
  requireMayLeave(group, actor, 1);
  return { change: { kind: 'removed', userIds: [actor] }, answer: version };
};

interface RoleRequest {
  readonly actor: string;
  readonly userId: string;
}

const requireTarget = (group: Conversation, userId: string): Role => {
  const role = roleOf(group, userId);
  if (role === undefined) throw userNotFound('user_id', 'this user is not a member of the group');
  return role;
};

export const decideGrantAdmin = (group: Conversation, { actor, userId }: RoleRequest): Decision<number> => {
  requireAdmin(group, actor);
  const change =
    requireTarget(group, userId) === 'member'
      ? ({ kind: 'roles', members: [{ userId, role: 'admin' }] } as const)
      : undefined;
  return { change, answer: version };
};

const requireOwner = (group: Conversation, actor: string): void => {
  if (requireMember(group, actor) !== 'owner') throw notTheOwner();
};

export const decideRevokeAdmin = (group: Conversation, { actor, userId }: RoleRequest): Decision<number> => {
  requireOwner(group, actor);
  const target = requireTarget(group, userId);
  if (target === 'owner') {
    throw new Refusal('failed-precondition', 'OWNER_MUST_TRANSFER', {
      message: 'the owner stops being one by handing over',
      field: 'user_id',
    });
  }
  const change = target === 'admin' ? ({ kind: 'roles', members: [{ userId, role: 'member' }] } as const) : undefined;
  return { change, answer: version };
};

export const decideTransfer = (group: Conversation, { actor, userId }: RoleRequest): Decision<number> => {
  requireOwner(group, actor);
  requireTarget(group, userId);
  if (userId === actor) return { change: undefined, answer: version };
  return {
    change: {
      kind: 'roles',
      members: [
        { userId: actor, role: 'admin' },
        { userId, role: 'owner' },
      ],
    },
    answer: version,
  };
};

/** Undefined: unchanged. */
export interface GroupUpdate {
  readonly name?: string | undefined;
  readonly pictureMediaId?: string | undefined;
  readonly settings?: Partial<GroupSettings> | undefined;
}

/** The message tells the whole of it, changed or not: who reads one message knows how the group looks. */
export const decideUpdate = (
  group: Conversation,
  { actor, update }: { actor: string; update: GroupUpdate },
): Decision<Conversation> => {
  requireAdmin(group, actor);
  const name = update.name ?? group.name;
  const pictureMediaId = update.pictureMediaId ?? group.pictureMediaId;
  const settings = { ...group.settings, ...update.settings };
  const isSame =
    name === group.name &&
    pictureMediaId === group.pictureMediaId &&
    settings.whoMaySend === group.settings.whoMaySend &&
    settings.whoMayAdd === group.settings.whoMayAdd;
  return { change: isSame ? undefined : { kind: 'group', name, pictureMediaId, settings }, answer: (after) => after };
};

/** @param inviteId of the invite they come by */
export const decideJoin = (
  group: Conversation,
  { actor, inviteId, maxMembers }: { actor: string; inviteId: string; maxMembers: number },
): Decision<Conversation> => {
  if (group.version === 0) throw conversationNotFound();
  if (roleOf(group, actor) !== undefined) return { change: undefined, answer: (after) => after };
  requireRoom(group, 1, maxMembers);
  return {
    change: { kind: 'added', members: [{ userId: actor, role: 'member' }], inviteId },
    answer: (after) => after,
  };
};
