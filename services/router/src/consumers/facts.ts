import type { Bus } from '@godwit/bus/bus';
import { accountRelationsOfAll, groupMemberships } from '@godwit/bus/subjects';
import { AccountChanged, MembershipChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Conversations } from '../domain/conversations.js';
import type { Relations } from '../domain/relations.js';

export interface FollowedFacts {
  readonly bus: Bus;
  readonly conversations: Conversations;
  readonly relations: Relations;
}

/** Keeps what is cached here up with what others say has changed. Without NATS it gets too old by itself. */
export const followFacts = ({ bus, conversations, relations }: FollowedFacts): void => {
  bus.follow(accountRelationsOfAll, {
    onFact: (payload) => {
      const { userId, change } = AccountChanged.decode(payload);
      if (change?.$case === 'relations') relations.forget(userId, change.value.otherUserId);
    },
    onGap: () => {
      relations.forgetAll();
    },
  });
  bus.follow(groupMemberships, {
    onFact: (payload) => {
      const { conversationId, membershipVersion } = MembershipChanged.decode(payload);
      conversations.noteVersion(conversationId, membershipVersion);
    },
    // Versions are checked with every append: an old view costs one more question, nothing else.
    onGap: () => undefined,
  });
};
