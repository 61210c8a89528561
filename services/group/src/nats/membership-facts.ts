import type { Bus } from '@godwit/bus/bus';
import { BusUnavailable } from '@godwit/bus/bus-unavailable';
import { groupMembership } from '@godwit/bus/subjects';
import { MembershipChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Logger } from '@godwit/runtime/logger';
import type { MembershipFacts } from '../domain/ports.js';

/** Tells over NATS. Who misses it finds out by version: a send with an old one is refused. */
export const busMembershipFacts = (bus: Bus, logger: Logger): MembershipFacts => ({
  changed: (conversationId, membershipVersion) => {
    const payload = MembershipChanged.encode({ conversationId, membershipVersion }).finish();
    const id = `${conversationId}:${String(membershipVersion)}`;
    bus.store(groupMembership(conversationId), payload, { id }).catch((error: unknown) => {
      if (!(error instanceof BusUnavailable)) logger.error({ err: error }, 'a change of members was not published');
    });
  },
});
