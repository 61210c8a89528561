import { isConversationId } from '@godwit/ids/conversation';
import { isId } from '@godwit/ids/id';
import type { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { Handlers } from '@godwit/rpc/server';
import { createGroup, MAX_PIECE } from '../domain/create-conversation.js';
import { listConversations, pageMembers, viewGroup } from '../domain/conversation-views.js';
import type { GroupDeps } from '../domain/deps.js';
import { createInvite, joinByInvite, revokeInvite } from '../domain/group-invites.js';
import { addMembers } from '../domain/group-members.js';
import {
  decideGrantAdmin,
  decideLeave,
  decideRemove,
  decideRevokeAdmin,
  decideTransfer,
  decideUpdate,
} from '../domain/membership-rules.js';
import { muteConversation } from '../domain/mute-conversation.js';
import { toWireMember } from '../peers/membership-mapping.js';
import { translated } from './errors.js';
import { toWireConversation, toWireGroup } from './mapping.js';
import {
  readActor,
  readClientRequestId,
  readConversationId,
  readCount,
  readGroupId,
  readName,
  readPageToken,
  readPicture,
  readSettings,
  readUserId,
  readUserIds,
} from './requests.js';

type All = Handlers<typeof GroupServiceService>;
type Lifecycled = Pick<All, 'createGroup' | 'getGroup' | 'updateGroup'>;
type Membered = Pick<All, 'addMembers' | 'removeMembers' | 'leaveGroup'>;
type Roled = Pick<All, 'grantAdmin' | 'revokeAdmin' | 'transferOwnership'>;
type Invited = Pick<All, 'createInvite' | 'revokeInvite' | 'joinByInvite'>;
type Listed = Pick<All, 'listMembers' | 'listConversations' | 'muteConversation'>;
export type UserHandlers = Lifecycled & Membered & Roled & Invited & Listed;

const PAGE = { field: 'page_size', min: 1, max: 500, fallback: 100 };
const INVITE_SECONDS = { field: 'valid_seconds', min: 60, max: 30 * 86_400, fallback: 7 * 86_400 };
const INVITE_JOINS = { field: 'max_joins', min: 0, max: 1_000_000 };
const MEMBERS = { field: 'user_ids', min: 1, max: MAX_PIECE };

const groupHandlers = (deps: GroupDeps): Lifecycled => ({
  createGroup: (request, context) =>
    translated(async () => {
      const owner = readActor(context);
      const memberIds = readUserIds(request.memberUserIds, { field: 'member_user_ids', min: 0, max: MAX_PIECE });
      const group = await createGroup(deps, {
        owner,
        clientRequestId: readClientRequestId(request.clientRequestId),
        name: readName(request.name),
        pictureMediaId: readPicture(request.pictureMediaId),
        memberIds: memberIds.filter((userId) => userId !== owner.userId),
        settings: readSettings(request.settings),
        signal: context.signal,
      });
      return { group: toWireGroup(viewGroup(group, owner.userId)) };
    }),
  getGroup: (request, context) =>
    translated(async () => {
      const { userId } = readActor(context);
      return { group: toWireGroup(viewGroup(await deps.directory.load(readGroupId(request.conversationId)), userId)) };
    }),
  updateGroup: (request, context) =>
    translated(async () => {
      const actor = readActor(context);
      const conversationId = readGroupId(request.conversationId);
      const update = {
        name: request.name === undefined ? undefined : readName(request.name),
        pictureMediaId: request.pictureMediaId === undefined ? undefined : readPicture(request.pictureMediaId),
        settings: readSettings(request.settings),
      };
      const group = await deps.changes.run({
        conversationId,
        actor,
        signal: context.signal,
        decide: (current) => decideUpdate(current, { actor: actor.userId, update }),
      });
      return { group: toWireGroup(viewGroup(group, actor.userId)) };
    }),
});

const memberHandlers = (deps: GroupDeps): Membered => ({
  addMembers: (request, context) =>
    translated(async () => {
      const { userIds, refusedIds, version } = await addMembers(deps, {
        conversationId: readGroupId(request.conversationId),
        actor: readActor(context),
        userIds: readUserIds(request.userIds, MEMBERS),
        signal: context.signal,
      });
      return { addedUserIds: [...userIds], refusedUserIds: [...refusedIds], membershipVersion: version };
    }),
  removeMembers: (request, context) =>
    translated(async () => {
      const actor = readActor(context);
      const userIds = readUserIds(request.userIds, MEMBERS);
      const removed = await deps.changes.run({
        conversationId: readGroupId(request.conversationId),
        actor,
        signal: context.signal,
        decide: (group) => decideRemove(group, { actor: actor.userId, userIds }),
      });
      return { removedUserIds: [...removed.userIds], membershipVersion: removed.version };
    }),
  leaveGroup: (request, context) =>
    translated(async () => {
      const actor = readActor(context);
      const membershipVersion = await deps.changes.run({
        conversationId: readGroupId(request.conversationId),
        actor,
        signal: context.signal,
        decide: (group) => decideLeave(group, actor.userId),
      });
      return { membershipVersion };
    }),
});

const roleHandlers = (deps: GroupDeps): Roled => {
  const changing =
    (decide: typeof decideGrantAdmin): All['grantAdmin'] =>
    (request, context) =>
      translated(async () => {
        const actor = readActor(context);
        const userId = readUserId(request.userId);
        const membershipVersion = await deps.changes.run({
          conversationId: readGroupId(request.conversationId),
          actor,
          signal: context.signal,
          decide: (group) => decide(group, { actor: actor.userId, userId }),
        });
        return { membershipVersion };
      });
  return {
    grantAdmin: changing(decideGrantAdmin),
    revokeAdmin: changing(decideRevokeAdmin),
    transferOwnership: changing(decideTransfer),
  };
};

const inviteHandlers = (deps: GroupDeps): Invited => ({
  createInvite: (request, context) =>
    translated(async () => {
      const { token, invite } = await createInvite(deps, {
        conversationId: readGroupId(request.conversationId),
        actor: readActor(context).userId,
        validMs: readCount(request.validSeconds, INVITE_SECONDS) * 1_000,
        maxJoins: readCount(request.maxJoins, INVITE_JOINS),
      });
      const { inviteId, conversationId, expiresAt, maxJoins } = invite;
      return { invite: { token, inviteId, conversationId, expiresAtMs: expiresAt, maxJoins } };
    }),
  revokeInvite: (request, context) =>
    translated(async () => {
      await revokeInvite(deps, {
        conversationId: readGroupId(request.conversationId),
        inviteId: readUserId(request.inviteId, 'invite_id'),
        actor: readActor(context).userId,
      });
      return {};
    }),
  joinByInvite: (request, context) =>
    translated(async () => {
      const actor = readActor(context);
      const group = await joinByInvite(deps, { token: request.token, actor, signal: context.signal });
      return { group: toWireGroup(viewGroup(group, actor.userId)) };
    }),
});

const listHandlers = (deps: GroupDeps): Listed => ({
  listMembers: (request, context) =>
    translated(async () => {
      const actor = readActor(context).userId;
      const limit = readCount(request.pageSize, PAGE);
      const after = readPageToken(request.pageToken, isId);
      const group = await deps.directory.load(readGroupId(request.conversationId));
      const { items, nextAfter } = pageMembers(group, { actor, after, limit });
      return { members: items.map(toWireMember), nextPageToken: nextAfter };
    }),
  listConversations: (request, context) =>
    translated(async () => {
      const { userId } = readActor(context);
      const limit = readCount(request.pageSize, PAGE);
      const after = readPageToken(request.pageToken, isConversationId);
      const { items, nextAfter } = await listConversations(deps, { userId, after, limit });
      return { conversations: items.map(toWireConversation), nextPageToken: nextAfter };
    }),
  muteConversation: (request, context) =>
    translated(async () => {
      const { userId } = readActor(context);
      const conversationId = readConversationId(request.conversationId);
      await muteConversation(deps, { conversationId, userId, until: request.untilMs });
      return {};
    }),
});

/** The calls of users, and of internal teams for them. */
export const createUserHandlers = (deps: GroupDeps): UserHandlers => ({
  ...groupHandlers(deps),
  ...memberHandlers(deps),
  ...roleHandlers(deps),
  ...inviteHandlers(deps),
  ...listHandlers(deps),
});
