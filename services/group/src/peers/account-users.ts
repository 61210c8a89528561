import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import { Gatherer } from '@godwit/runtime/gatherer';
import type { Users } from '../domain/ports.js';

const CALL = { deadlineMs: 3_000, attemptMs: 1_500, idempotent: true } as const;
/** What GetRelations takes at a time. */
const QUERIES_PER_CALL = 500;
/** What GetUserDevices takes at a time. */
const USERS_PER_CALL = 500;

interface Standing {
  readonly exists: boolean;
  readonly blocked: boolean;
}

interface Towards {
  readonly owner: string;
  readonly other: string;
}

/** Who makes many conversations at a time asks about their people in few calls. */
export const accountUsers = (account: NodePool<AccountServiceService>): Users => {
  const existing = new Gatherer<string, boolean>({
    name: 'existing users',
    maxQuestions: USERS_PER_CALL,
    ask: async (userIds) => {
      const { users } = await account.callAny('getUserDevices', { userIds: [...new Set(userIds)] }, CALL);
      const found = new Set(users.map(({ userId }) => userId));
      return userIds.map((userId) => found.has(userId));
    },
  });
  const standings = new Gatherer<readonly Towards[], readonly Standing[]>({
    name: 'relations of members',
    maxQuestions: QUERIES_PER_CALL,
    maxSize: QUERIES_PER_CALL,
    sizeOf: (towards) => towards.length,
    ask: async (asked) => {
      const queries = asked.flat().map(({ owner, other }) => ({ ownerUserId: owner, otherUserId: other }));
      const { relations } = await account.callAny('getRelations', { queries }, CALL);
      if (relations.length !== queries.length)
        throw new Error('account answered another number of relations than asked');
      let next = 0;
      return asked.map((towards) => {
        const share = relations.slice(next, next + towards.length);
        next += towards.length;
        return share.map(({ ownerExists, blocked }) => ({ exists: ownerExists, blocked }));
      });
    },
  });
  return {
    exists: (userId) => existing.ask(userId),
    towards: async (towards, userIds) => {
      const found: Standing[] = [];
      for (let start = 0; start < userIds.length; start += QUERIES_PER_CALL) {
        const asked = userIds.slice(start, start + QUERIES_PER_CALL);
        found.push(...(await standings.ask(asked.map((owner) => ({ owner, other: towards })))));
      }
      return found;
    },
  };
};
