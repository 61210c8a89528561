import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { TokenOwner } from './access-tokens.js';

/** What the edge itself asks of `account`. */
export interface AccountClient {
  fetchKeys(): Promise<string>;
  /** The devices of users that stand, at most of 1,000 users; users that don't exist are left out. */
  devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Uses the ticket up; undefined when it is not good (any more). */
  redeemTicket(ticket: string): Promise<TokenOwner | undefined>;
}

const DEADLINE_MS = 2_000;

export const accountClient = (pool: NodePool<typeof AccountServiceService>): AccountClient => ({
  fetchKeys: async () => {
    const { jwksJson } = await pool.callAny('getJwks', {}, { deadlineMs: DEADLINE_MS, idempotent: true });
    return jwksJson;
  },
  devicesOf: async (userIds) => {
    const options = { deadlineMs: DEADLINE_MS, idempotent: true };
    const { users } = await pool.callAny('getUserDevices', { userIds: [...userIds] }, options);
    return new Map(users.map(({ userId, deviceIds }) => [userId, deviceIds]));
  },
  redeemTicket: async (ticket) => {
    // A second attempt after a lost answer would find the ticket used.
    const options = { deadlineMs: DEADLINE_MS, idempotent: false };
    const { userId, deviceId, tokenExpiresAtMs } = await pool.callAny('redeemTicket', { ticket }, options);
    return userId === '' ? undefined : { userId, deviceId, expiresAt: tokenExpiresAtMs };
  },
});
