import { LRUCache } from 'lru-cache';
import {
  Audience,
  type AccountServiceService,
  type Relation as WireRelation,
} from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { DeviceKey, DeviceSource, Relation, RelationQuery, RelationSource } from '../domain/ports.js';

/** Relations or users that one call asks for at most. */
const CHUNK = 500;
const CALL = { deadlineMs: 2_000, attemptMs: 700, idempotent: true } as const;
const MAX_DEVICES = 50_000;

/** How users stand to each other, as the account service knows it. */
export class AccountRelations implements RelationSource {
  readonly #pool: NodePool<AccountServiceService>;

  constructor(pool: NodePool<AccountServiceService>) {
    this.#pool = pool;
  }

  async relations(queries: readonly RelationQuery[]): Promise<readonly Relation[]> {
    const chunks: Promise<Relation[]>[] = [];
    for (let start = 0; start < queries.length; start += CHUNK) {
      chunks.push(this.#ask(queries.slice(start, start + CHUNK)));
    }
    return (await Promise.all(chunks)).flat();
  }

  async #ask(queries: readonly RelationQuery[]): Promise<Relation[]> {
    const wanted = queries.map(({ owner, other }) => ({ ownerUserId: owner, otherUserId: other }));
    const { relations } = await this.#pool.callAny('getRelations', { queries: wanted }, CALL);
    return relations.map(relationFrom);
  }
}

const relationFrom = ({ ownerExists, blocked, contact, privacy }: WireRelation): Relation => {
  const audience = privacy?.readReceipts ?? Audience.AUDIENCE_EVERYONE;
  const hidden = audience === Audience.AUDIENCE_NOBODY || (audience === Audience.AUDIENCE_CONTACTS && !contact);
  return { ownerExists, blocked, showsReads: !hidden };
};

/** When devices were registered; that never changes, so it is asked once. */
export class AccountDevices implements DeviceSource {
  readonly #pool: NodePool<AccountServiceService>;
  readonly #known = new LRUCache<string, number>({ max: MAX_DEVICES });

  constructor(pool: NodePool<AccountServiceService>) {
    this.#pool = pool;
  }

  async registeredAt(devices: readonly DeviceKey[]): Promise<ReadonlyMap<string, number>> {
    const unknown = devices.filter(({ deviceId }) => this.#known.get(deviceId) === undefined);
    const userIds = [...new Set(unknown.map(({ userId }) => userId))];
    for (let start = 0; start < userIds.length; start += CHUNK) await this.#learn(userIds.slice(start, start + CHUNK));
    return new Map(devices.map(({ deviceId }) => [deviceId, this.#known.get(deviceId) ?? 0]));
  }

  async #learn(userIds: string[]): Promise<void> {
    const { users } = await this.#pool.callAny('getUserDevices', { userIds }, CALL);
    for (const { deviceIds, registeredAtMs } of users) {
      deviceIds.forEach((deviceId, index) => {
        const at = registeredAtMs[index] ?? 0;
        if (at > 0) this.#known.set(deviceId, at);
      });
    }
  }
}
