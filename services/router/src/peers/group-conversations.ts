import type {
  ConversationHead,
  GroupServiceService,
  Interval as WireInterval,
  MemberState,
  UserConversation as WireUserConversation,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { NodePool } from '@godwit/rpc/node-pool';
import { errorInfo, isRetryable } from '@godwit/rpc/rpc-error';
import type { ConversationView } from '../domain/conversation.js';
import type { Interval } from '../domain/intervals.js';
import type {
  ConversationSource,
  LoadedConversation,
  LoadOptions,
  PageOf,
  UserConversation,
  UserConversationsPage,
} from '../domain/ports.js';
import { conversationNotFound, userNotFound } from '../domain/refusal.js';
import { roleFrom, whoMaySendFrom } from '../wire/membership.js';

// `group` may have to catch up with the log, or to begin the conversation, before it answers.
const LOAD_MS = 4_000;
const LIST = { deadlineMs: 5_000, attemptMs: 2_000, idempotent: true } as const;
const ATTEMPTS = 2;

/** Conversations as `group` knows them. */
export class GroupConversations implements ConversationSource {
  readonly #pool: NodePool<GroupServiceService>;

  constructor(pool: NodePool<GroupServiceService>) {
    this.#pool = pool;
  }

  async load(conversationId: string, options: LoadOptions): Promise<LoadedConversation> {
    for (let attempt = 1; ; attempt++) {
      try {
        return { found: true, view: await this.#read(conversationId, options) };
      } catch (error) {
        const reason = errorInfo(error)?.reason;
        if (reason === 'CONVERSATION_NOT_FOUND') return { found: false, refusal: conversationNotFound };
        if (reason === 'USER_NOT_FOUND') return { found: false, refusal: userNotFound };
        if (attempt >= ATTEMPTS || !isRetryable(error)) throw error;
      }
    }
  }

  async ofUser({ userId, pageSize, pageToken }: PageOf): Promise<UserConversationsPage> {
    const page = await this.#pool.callAny('listUserConversations', { userId, pageSize, pageToken }, LIST);
    return { conversations: page.conversations.map(userConversationFrom), nextPageToken: page.nextPageToken };
  }

  async ofUsers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly UserConversation[]>> {
    const { users } = await this.#pool.callAny('listConversationsOfUsers', { userIds: [...userIds] }, LIST);
    return new Map(users.map(({ userId, conversations }) => [userId, conversations.map(userConversationFrom)]));
  }

  async #read(conversationId: string, { minVersion, create }: LoadOptions): Promise<ConversationView> {
    const request = { conversationId, minVersion, createPrivate: create };
    let head: ConversationHead | undefined;
    const members: ConversationView['members'] = new Map();
    for await (const part of this.#pool.readAny('getConversation', request, { deadlineMs: LOAD_MS })) {
      head ??= part.head;
      for (const member of part.members) members.set(member.userId, memberFrom(member));
    }
    if (head === undefined) throw new Error('group answered without the head of the conversation');
    return {
      conversationId,
      version: head.membershipVersion,
      whoMaySend: whoMaySendFrom(head.settings),
      members,
      memberCount: head.memberCount,
    };
  }
}

const userConversationFrom = ({
  conversationId,
  intervals,
  memberCount,
  membershipVersion,
}: WireUserConversation): UserConversation => ({
  conversationId,
  intervals: intervals.map(intervalFrom),
  memberCount,
  version: membershipVersion,
});

const intervalFrom = ({ fromSeq, toSeq }: WireInterval): Interval => ({
  from: fromSeq,
  to: toSeq === 0 ? Infinity : toSeq,
});

const memberFrom = ({ role, intervals, mutedUntilMs }: MemberState) => ({
  role: roleFrom(role),
  intervals: intervals.map(intervalFrom),
  mutedUntilMs,
});
