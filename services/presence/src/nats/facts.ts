import type { Bus } from '@godwit/bus/bus';
import { accountRelationsOfAll, groupMemberships } from '@godwit/bus/subjects';
import { AccountChanged, MembershipChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { MembersCache } from '../domain/members-cache.js';
import type { PresenceHub } from '../domain/presence-hub.js';
import type { RightsCache } from '../domain/rights-cache.js';

export interface FactListeners {
  readonly hub: PresenceHub;
  readonly rights: RightsCache;
  readonly members: MembersCache;
  readonly onError: (error: unknown) => void;
}

/** What other services have changed that is cached here: relations (blocks, contacts, privacy) and members. */
export const followFacts = (bus: Bus, { hub, rights, members, onError }: FactListeners): void => {
  bus.follow(accountRelationsOfAll, {
    onFact: (payload) => {
      const { userId, change } = AccountChanged.decode(payload);
      if (change?.$case !== 'relations') return;
      hub.onRelations(userId, change.value.otherUserId === '' ? undefined : change.value.otherUserId).catch(onError);
    },
    onGap: () => {
      rights.missedFacts();
    },
  });
  bus.follow(groupMemberships, {
    onFact: (payload) => {
      members.changed(MembershipChanged.decode(payload).conversationId);
    },
    onGap: () => {
      members.missedFacts();
    },
  });
};
