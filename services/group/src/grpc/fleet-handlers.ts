import { isConversationId } from '@godwit/ids/conversation';
import type { GetConversationResponse, GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { Handlers } from '@godwit/rpc/server';
import type { Conversation } from '../domain/conversation-directory.js';
import {
  listConversationsOfUsers,
  listUserConversations,
  type UserConversation,
} from '../domain/conversation-views.js';
import type { GroupDeps } from '../domain/deps.js';
import { findConversation } from '../domain/find-conversation.js';
import { translated } from './errors.js';
import { toChunks, toWireInterval } from './mapping.js';
import { readConversationId, readCount, readPageToken, readUserId, readUserIds } from './requests.js';

export type FleetHandlers = Pick<
  Handlers<typeof GroupServiceService>,
  'getConversation' | 'listUserConversations' | 'listConversationsOfUsers'
>;

const PAGE = { field: 'page_size', min: 1, max: 1_000 };
const USERS = { field: 'user_ids', min: 1, max: 256 };
/** Some 200 bytes each. */
const MAX_ROWS = 2_000;

/** The calls that only the fleet makes. */
export const createFleetHandlers = (deps: GroupDeps): FleetHandlers => {
  // All routers ask for a large group that has changed at about the same time.
  const chunksOf = new WeakMap<Conversation, readonly GetConversationResponse[]>();
  const chunks = (conversation: Conversation): readonly GetConversationResponse[] => {
    const made = chunksOf.get(conversation) ?? toChunks(conversation);
    chunksOf.set(conversation, made);
    return made;
  };
  return {
    getConversation: async function* (request, context) {
      const conversation = await translated(() =>
        findConversation(deps, {
          conversationId: readConversationId(request.conversationId),
          minVersion: request.minVersion,
          createPrivate: request.createPrivate,
          actingUser: context.user,
          signal: context.signal,
        }),
      );
      yield* chunks(conversation);
    },
    listUserConversations: (request) =>
      translated(async () => {
        const userId = readUserId(request.userId);
        const limit = readCount(request.pageSize, PAGE);
        const after = readPageToken(request.pageToken, isConversationId);
        const { items, nextAfter } = await listUserConversations(deps, { userId, after, limit });
        return { conversations: items.map(toWireConversation), nextPageToken: nextAfter };
      }),
    listConversationsOfUsers: (request) =>
      translated(async () => {
        const found = await listConversationsOfUsers(deps, readUserIds(request.userIds, USERS), MAX_ROWS);
        const users = Array.from(found, ([userId, items]) => ({
          userId,
          conversations: items.map(toWireConversation),
        }));
        return { users };
      }),
  };
};

const toWireConversation = ({ conversationId, intervals, memberCount, version }: UserConversation) => ({
  conversationId,
  intervals: intervals.map(toWireInterval),
  memberCount,
  membershipVersion: version,
});
