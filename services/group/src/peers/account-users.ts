import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { Users } from '../domain/ports.js';

const CALL = { deadlineMs: 3_000, attemptMs: 1_500, idempotent: true } as const;
/** What GetRelations takes at a time. */
const QUERIES_PER_CALL = 500;

export const accountUsers = (account: NodePool<AccountServiceService>): Users => ({
  exists: async (userId) => {
    const { users } = await account.callAny('getUserDevices', { userIds: [userId] }, CALL);
    return users.some((user) => user.userId === userId);
  },
  towards: async (towards, userIds) => {
    const standings: { exists: boolean; blocked: boolean }[] = [];
    for (let start = 0; start < userIds.length; start += QUERIES_PER_CALL) {
      const asked = userIds.slice(start, start + QUERIES_PER_CALL);
      const queries = asked.map((userId) => ({ ownerUserId: userId, otherUserId: towards }));
      const { relations } = await account.callAny('getRelations', { queries }, CALL);
      if (relations.length !== asked.length) throw new Error('account answered another number of relations than asked');
      standings.push(...relations.map(({ ownerExists, blocked }) => ({ exists: ownerExists, blocked })));
    }
    return standings;
  },
});
