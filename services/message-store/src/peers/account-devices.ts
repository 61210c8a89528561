import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { Device } from '../domain/plan-reaping.js';
import type { UserDevices } from '../domain/reaper.js';

const DEADLINE_MS = 3_000;
const MAX_USERS = 1_000;

/** The devices of users, asked of account. */
export class AccountDevices implements UserDevices {
  readonly #pool: NodePool<typeof AccountServiceService>;

  constructor(pool: NodePool<typeof AccountServiceService>) {
    this.#pool = pool;
  }

  async devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Device[]>> {
    const found = new Map<string, readonly Device[]>();
    for (let start = 0; start < userIds.length; start += MAX_USERS) {
      const { users } = await this.#pool.callAny(
        'getUserDevices',
        { userIds: userIds.slice(start, start + MAX_USERS) },
        { deadlineMs: DEADLINE_MS, idempotent: true },
      );
      for (const { userId, deviceIds, registeredAtMs } of users) {
        const devices = deviceIds.map((deviceId, at) => ({ deviceId, registeredAtMs: registeredAtMs[at] ?? 0 }));
        found.set(userId, devices);
      }
    }
    return found;
  }
}
