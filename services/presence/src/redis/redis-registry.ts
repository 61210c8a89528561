import type { RedisClient, RedisStore } from '@godwit/redis/connect';
import type { Keyspace } from '@godwit/redis/keys';
import { Markers } from '@godwit/redis/markers';
import type { Clock } from '@godwit/runtime/clock';
import { RegistryUnavailable, type OnlineRegistry, type UserAtEdge, type UserGone } from '../domain/ports.js';
import type { EdgePresence, EdgeRun } from '../domain/presence.js';
import { decodeHash, decodePresence, decodeRun, encodeOffline, encodeOnline, encodeRun } from './mapping.js';
import { FORGET_SCRIPT, OFFLINE_SCRIPT, ONLINE_SCRIPT } from './scripts.js';

/** What nobody looks after any more goes after this; what is looked after is written again in a third of it. */
export const USER_TTL_MS = 6 * 3_600_000;
const EDGE_TTL_MS = 7 * 24 * 3_600_000;
/** A replica that clears up and dies itself leaves it to the next this much later. */
const CLAIM_MS = 10_000;
const SCAN_COUNT = 500;
/** After a failure nothing is tried for this long: a Redis that hangs costs one timeout, not one a call. */
const REST_MS = 1_000;

export interface RedisRegistryOptions {
  readonly store: RedisStore;
  readonly keys: Keyspace;
  readonly clock: Clock;
  /** This replica's name, and what distinguishes this run of its process. */
  readonly self: string;
  readonly incarnation: string;
  readonly leaseMs: number;
}

/** Who is online in Redis: a hash for each user; a lease, a heartbeat and a set of users for each edge. */
export class RedisRegistry implements OnlineRegistry {
  readonly #options: RedisRegistryOptions;
  readonly #edgesKey: string;
  readonly #markers: Markers;
  #restUntil = 0;

  constructor(options: RedisRegistryOptions) {
    this.#options = options;
    this.#edgesKey = options.keys.key('edges');
    this.#markers = new Markers({ ...options, ttlMs: USER_TTL_MS });
  }

  online(users: readonly UserAtEdge[]): Promise<readonly (readonly EdgePresence[])[]> {
    return this.#run(async (redis) => {
      // First the sets: a user whom no set has would never be found when the edge dies.
      await Promise.all(this.#byEdge(users, ({ edge }, userIds) => this.#addUsers(redis, edge, userIds)));
      return Promise.all(
        users.map(async ({ userId, edge }) =>
          decodeHash(
            await redis.eval(ONLINE_SCRIPT, 1, this.#userKey(userId), edge.edgeId, encodeOnline(edge), USER_TTL_MS),
          ),
        ),
      );
    });
  }

  offline(users: readonly UserGone[]): Promise<readonly (readonly EdgePresence[])[]> {
    const mark = async (redis: RedisClient, { userId, edge, at }: UserGone): Promise<readonly EdgePresence[]> => {
      const values = [edge.edgeId, encodeOnline(edge), encodeOffline(edge, at)];
      return decodeHash(await redis.eval(OFFLINE_SCRIPT, 1, this.#userKey(userId), ...values));
    };
    return this.#run((redis) => Promise.all(users.map((user) => mark(redis, user))));
  }

  async forget(users: readonly UserGone[]): Promise<void> {
    await this.#run(async (redis) => {
      await Promise.all(
        users.map(({ userId, edge, at }) =>
          redis.eval(FORGET_SCRIPT, 1, this.#userKey(userId), edge.edgeId, encodeOffline(edge, at)),
        ),
      );
      await Promise.all(this.#byEdge(users, ({ edge }, userIds) => redis.srem(this.#usersKey(edge), ...userIds)));
    });
  }

  read(userIds: readonly string[]): Promise<readonly (readonly EdgePresence[])[]> {
    const read = async (redis: RedisClient, userId: string): Promise<readonly EdgePresence[]> =>
      Object.entries(await redis.hgetall(this.#userKey(userId))).map(([edgeId, value]) =>
        decodePresence(edgeId, value),
      );
    return this.#run((redis) => Promise.all(userIds.map((userId) => read(redis, userId))));
  }

  async keepAlive(edge: EdgeRun, at: number): Promise<void> {
    await this.#run((redis) =>
      Promise.all([
        redis.set(this.#leaseKey(edge.edgeId), edge.incarnation, 'PX', this.#options.leaseMs),
        redis.set(this.#heartbeatKey(edge), at, 'PX', EDGE_TTL_MS),
        redis.sadd(this.#edgesKey, encodeRun(edge)),
      ]),
    );
  }

  async live(edgeIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const incarnations = await this.#run((redis) =>
      Promise.all(edgeIds.map((edgeId) => redis.get(this.#leaseKey(edgeId)))),
    );
    return new Map(
      edgeIds.flatMap((edgeId, index) => {
        const incarnation = incarnations[index];
        return incarnation === null || incarnation === undefined ? [] : [[edgeId, incarnation] as const];
      }),
    );
  }

  async edges(): Promise<readonly EdgeRun[]> {
    const members = await this.#run((redis) => redis.smembers(this.#edgesKey));
    return members.flatMap((member) => decodeRun(member) ?? []);
  }

  async lastHeartbeat(edge: EdgeRun): Promise<number | undefined> {
    const at = await this.#run((redis) => redis.get(this.#heartbeatKey(edge)));
    return at === null ? undefined : Number(at);
  }

  async *usersAt(edge: EdgeRun): AsyncGenerator<readonly string[]> {
    let cursor = '0';
    do {
      const from = cursor;
      const [next, userIds] = await this.#run((redis) => redis.sscan(this.#usersKey(edge), from, 'COUNT', SCAN_COUNT));
      if (userIds.length > 0) yield userIds;
      cursor = next;
    } while (cursor !== '0');
  }

  async claim(edge: EdgeRun): Promise<boolean> {
    const { keys, self } = this.#options;
    const key = keys.key(edge.edgeId, 'claim', edge.incarnation);
    return (await this.#run((redis) => redis.set(key, self, 'PX', CLAIM_MS, 'NX'))) === 'OK';
  }

  /** Not while it has users: those are not durable yet, and the next one who clears up sees to them. */
  async forgetEdge(edge: EdgeRun): Promise<void> {
    await this.#run(async (redis) => {
      if ((await redis.scard(this.#usersKey(edge))) > 0) return;
      await redis.srem(this.#edgesKey, encodeRun(edge));
      await redis.del(this.#heartbeatKey(edge));
    });
  }

  /** Whether everything this process has written since `setMarkers` is still there. */
  markersIntact(): Promise<boolean> {
    return this.#run((redis) => this.#markers.intact(redis));
  }

  setMarkers(): Promise<void> {
    return this.#run((redis) => this.#markers.set(redis));
  }

  async #addUsers(redis: RedisClient, edge: EdgeRun, userIds: readonly string[]): Promise<void> {
    await redis.sadd(this.#usersKey(edge), ...userIds);
    await redis.pexpire(this.#usersKey(edge), EDGE_TTL_MS);
  }

  #byEdge<U extends UserAtEdge, T>(users: readonly U[], act: (first: U, userIds: readonly string[]) => T): T[] {
    const groups = new Map<string, U[]>();
    for (const user of users) {
      const name = encodeRun(user.edge);
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [user]);
      else group.push(user);
    }
    return [...groups.values()].flatMap((group) => {
      const [first] = group;
      return first === undefined
        ? []
        : [
            act(
              first,
              group.map(({ userId }) => userId),
            ),
          ];
    });
  }

  async #run<T>(commands: (redis: RedisClient) => Promise<T>): Promise<T> {
    const { clock, store } = this.#options;
    if (clock.monotonic() < this.#restUntil) throw new RegistryUnavailable('Redis failed a moment ago');
    try {
      return await store.run(commands);
    } catch (error) {
      this.#restUntil = clock.monotonic() + REST_MS;
      throw new RegistryUnavailable('Redis does not answer', { cause: error });
    }
  }

  #userKey(userId: string): string {
    return this.#options.keys.key(userId);
  }

  #leaseKey(edgeId: string): string {
    return this.#options.keys.key(edgeId, 'lease');
  }

  #heartbeatKey({ edgeId, incarnation }: EdgeRun): string {
    return this.#options.keys.key(edgeId, 'heartbeat', incarnation);
  }

  #usersKey({ edgeId, incarnation }: EdgeRun): string {
    return this.#options.keys.key(edgeId, 'users', incarnation);
  }
}
