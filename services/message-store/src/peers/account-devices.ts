import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import { Gatherer } from '@godwit/runtime/gatherer';
import type { Device } from '../domain/plan-reaping.js';
import type { UserDevices } from '../domain/reaper.js';

const DEADLINE_MS = 3_000;
const MAX_USERS = 1_000;

type DevicesOf = ReadonlyMap<string, readonly Device[]>;

/** The devices of users, asked of account: for several conversations in one call. */
export class AccountDevices implements UserDevices {
  readonly #pool: NodePool<typeof AccountServiceService>;
  readonly #users: Gatherer<readonly string[], DevicesOf>;

  constructor(pool: NodePool<typeof AccountServiceService>) {
    this.#pool = pool;
    this.#users = new Gatherer({
      name: 'devices of members',
      maxQuestions: MAX_USERS,
      maxSize: MAX_USERS,
      sizeOf: (userIds) => userIds.length,
      ask: async (asked) => {
        const found = await this.#ask([...new Set(asked.flat())]);
        return asked.map(() => found);
      },
    });
  }

  /** May have more than was asked. */
  async devicesOf(userIds: readonly string[]): Promise<DevicesOf> {
    const found = new Map<string, readonly Device[]>();
    for (let start = 0; start < userIds.length; start += MAX_USERS) {
      const part = await this.#users.ask(userIds.slice(start, start + MAX_USERS));
      if (userIds.length <= MAX_USERS) return part;
      for (const [userId, devices] of part) found.set(userId, devices);
    }
    return found;
  }

  async #ask(userIds: string[]): Promise<DevicesOf> {
    const options = { deadlineMs: DEADLINE_MS, idempotent: true };
    const { users } = await this.#pool.callAny('getUserDevices', { userIds }, options);
    return new Map(
      users.map(({ userId, deviceIds, registeredAtMs }) => [
        userId,
        deviceIds.map((deviceId, at) => ({ deviceId, registeredAtMs: registeredAtMs[at] ?? 0 })),
      ]),
    );
  }
}
