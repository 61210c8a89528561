import type { MembershipEntry, RouterServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { NodePool } from '@godwit/rpc/node-pool';
import { errorInfo } from '@godwit/rpc/rpc-error';
import type { LogEntry } from '../domain/conversation.js';
import type { AppendOutcome, MembershipLog } from '../domain/ports.js';
import { toChange, toMembership } from './membership-mapping.js';

const DEADLINE_MS = 8_000;
// A write of a majority with up to 500 members in it; the router itself waits for the store's next owner if it must.
const APPEND_ATTEMPT_MS = 2_500;
const READ_ATTEMPT_MS = 2_000;
/** With 500 members in each some 2 MB. */
const ENTRIES_PER_PAGE = 100;

/** The log of the conversations, through the routers that own them. */
export const routerLog = (routers: NodePool<RouterServiceService>): MembershipLog => ({
  append: async ({ conversationId, clientMessageId, actor, basedOn, change }): Promise<AppendOutcome> => {
    const request = {
      conversationId,
      clientMessageId,
      actorUserId: actor.userId,
      actorDeviceId: actor.deviceId,
      membership: toMembership(change, basedOn),
    };
    const options = { key: conversationId, deadlineMs: DEADLINE_MS, attemptMs: APPEND_ATTEMPT_MS, idempotent: true };
    try {
      const { outcome } = await routers.callOwner('appendMembership', request, options);
      if (outcome === undefined) throw new Error('the router answered an append with no outcome');
      if (outcome.$case === 'stale') return { kind: 'stale', version: outcome.value.membershipVersion };
      const { seq, serverTimeMs, duplicate } = outcome.value;
      return { kind: 'stored', seq, serverTime: serverTimeMs, duplicate };
    } catch (error) {
      // Another change has been stored under the id: an earlier form of the same request. The log says what came of it.
      if (errorInfo(error)?.reason === 'CLIENT_MESSAGE_ID_REUSED') return { kind: 'stale', version: 0 };
      throw error;
    }
  },
  read: async (conversationId, afterVersion) => {
    const response = await routers.callOwner(
      'getMembershipLog',
      { conversationId, afterVersion, limit: ENTRIES_PER_PAGE },
      { key: conversationId, deadlineMs: DEADLINE_MS, attemptMs: READ_ATTEMPT_MS, idempotent: true },
    );
    return { entries: response.entries.map(toEntry), version: response.membershipVersion, more: response.more };
  },
});

const toEntry = ({ seq, serverTimeMs, membership }: MembershipEntry): LogEntry => {
  const change = membership && toChange(membership);
  // Passing over it would make projections that no other version agrees with.
  if (change === undefined) throw new Error(`entry ${String(seq)} holds a change of a kind that is unknown here`);
  return { seq, serverTime: serverTimeMs, change };
};
