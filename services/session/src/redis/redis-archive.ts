import type { RedisClient, RedisStore } from '@godwit/redis/connect';
import type { Keyspace } from '@godwit/redis/keys';
import { Markers } from '@godwit/redis/markers';
import type { Clock } from '@godwit/runtime/clock';
import {
  ArchiveUnavailable,
  type ArchiveUpkeep,
  type NewerSession,
  type SessionArchive,
  type SessionChange,
  type StoredLease,
} from '../domain/ports.js';
import type { StoredSession } from '../domain/session.js';
import { decodeSession, encodeSession } from './mapping.js';
import { WRITE_SCRIPT } from './write-script.js';

const TOLD_BATCH = 1_000;
const TOLD_TTL_MS = 3_600_000;
/** After a failure nothing is tried for this long, so that a Redis that hangs costs one timeout and not one a call. */
const REST_MS = 1_000;

export interface RedisArchiveOptions {
  readonly store: RedisStore;
  readonly keys: Keyspace;
  readonly clock: Clock;
  /** This replica's name, and what distinguishes this run of its process. */
  readonly self: string;
  readonly incarnation: string;
  readonly leaseMs: number;
  readonly ttlMs: number;
}

/** Sessions in Redis: a hash for each user, a lease for each edge, markers and a mailbox for each replica. */
export class RedisArchive implements SessionArchive, ArchiveUpkeep {
  readonly #options: RedisArchiveOptions;
  readonly #markers: Markers;
  #restUntil = 0;

  constructor(options: RedisArchiveOptions) {
    this.#options = options;
    this.#markers = new Markers(options);
  }

  async load(userIds: readonly string[]): Promise<Map<string, readonly StoredSession[]>> {
    const hashes = await this.#run((redis) =>
      Promise.all(userIds.map((userId) => redis.hgetall(this.#userKey(userId)))),
    );
    const found = new Map<string, readonly StoredSession[]>();
    hashes.forEach((hash, index) => {
      const sessions = Object.entries(hash).flatMap(([deviceId, value]) => decodeSession(deviceId, value) ?? []);
      const userId = userIds[index];
      if (userId !== undefined && sessions.length > 0) found.set(userId, sessions);
    });
    return found;
  }

  async write(changes: ReadonlyMap<string, ReadonlyMap<string, SessionChange>>): Promise<readonly NewerSession[]> {
    const users = [...changes];
    const replies = await this.#run((redis) =>
      Promise.all(users.map(([userId, byDevice]) => this.#writeUser(redis, userId, [...byDevice.values()]))),
    );
    return replies.flatMap((reply, index) => newerIn(users[index]?.[0], reply));
  }

  async keepLease(edgeId: string, incarnation: string): Promise<void> {
    await this.#run((redis) => redis.set(this.#leaseKey(edgeId), incarnation, 'PX', this.#options.leaseMs));
  }

  async leases(edgeIds: readonly string[]): Promise<readonly StoredLease[]> {
    const read = async (redis: RedisClient, edgeId: string): Promise<StoredLease | undefined> => {
      const key = this.#leaseKey(edgeId);
      const [incarnation, remainingMs] = await Promise.all([redis.get(key), redis.pttl(key)]);
      return incarnation === null || remainingMs <= 0 ? undefined : { edgeId, incarnation, remainingMs };
    };
    const leases = await this.#run((redis) => Promise.all(edgeIds.map((edgeId) => read(redis, edgeId))));
    return leases.filter((lease) => lease !== undefined);
  }

  async tell(notices: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const tell = async (redis: RedisClient, replica: string, texts: ReadonlySet<string>): Promise<void> => {
      const key = this.#toldKey(replica);
      await redis.sadd(key, ...texts);
      // Nobody reads the mailbox of a replica that was scaled away.
      await redis.pexpire(key, TOLD_TTL_MS);
    };
    await this.#run((redis) => Promise.all([...notices].map(([replica, texts]) => tell(redis, replica, texts))));
  }

  async takeTold(): Promise<readonly string[]> {
    return this.#run((redis) => redis.spop(this.#toldKey(this.#options.self), TOLD_BATCH));
  }

  markersIntact(): Promise<boolean> {
    return this.#run((redis) => this.#markers.intact(redis));
  }

  setMarkers(): Promise<void> {
    return this.#run((redis) => this.#markers.set(redis));
  }

  async #writeUser(redis: RedisClient, userId: string, changes: readonly SessionChange[]): Promise<unknown> {
    const triples = changes.flatMap((change) =>
      change.kind === 'put'
        ? ['put', change.session.deviceId, encodeSession(change.session)]
        : ['remove', change.deviceId, String(change.epoch)],
    );
    return redis.eval(WRITE_SCRIPT, 1, this.#userKey(userId), this.#options.ttlMs, ...triples);
  }

  async #run<T>(commands: (redis: RedisClient) => Promise<T>): Promise<T> {
    const { clock, store } = this.#options;
    if (clock.monotonic() < this.#restUntil) throw new ArchiveUnavailable('Redis failed a moment ago');
    try {
      return await store.run(commands);
    } catch (error) {
      this.#restUntil = clock.monotonic() + REST_MS;
      throw new ArchiveUnavailable('Redis does not answer', { cause: error });
    }
  }

  #userKey(userId: string): string {
    return this.#options.keys.key(userId);
  }

  #leaseKey(edgeId: string): string {
    return this.#options.keys.key(edgeId, 'edge');
  }

  #toldKey(replica: string): string {
    return this.#options.keys.key(replica, 'told');
  }
}

const newerIn = (userId: string | undefined, reply: unknown): NewerSession[] => {
  if (userId === undefined || !Array.isArray(reply)) return [];
  const newer: NewerSession[] = [];
  for (let index = 0; index + 1 < reply.length; index += 2) {
    const session = decodeSession(String(reply[index]), String(reply[index + 1]));
    if (session !== undefined) newer.push({ userId, session });
  }
  return newer;
};
