import type { Clock } from '@godwit/runtime/clock';
import {
  RegistryUnavailable,
  type LastSeenStore,
  type OnlineRegistry,
  type UserAtEdge,
  type UserGone,
} from '../src/domain/ports.js';
import type { EdgePresence, EdgeRun } from '../src/domain/presence.js';

const nameOf = ({ edgeId, incarnation }: EdgeRun): string => `${edgeId} ${incarnation}`;

/** The registry as maps, shared by the replicas of a test. */
export class MemoryRegistry implements OnlineRegistry {
  readonly users = new Map<string, Map<string, EdgePresence>>();
  readonly members = new Map<string, { edge: EdgeRun; users: Set<string> }>();
  readonly #leases = new Map<string, { incarnation: string; until: number }>();
  readonly #heartbeats = new Map<string, number>();
  readonly #clock: Clock;
  readonly #leaseMs: number;
  away = false;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  async online(users: readonly UserAtEdge[]): Promise<readonly (readonly EdgePresence[])[]> {
    await this.#answer();
    return users.map(({ userId, edge }) => {
      const entries = this.users.get(userId) ?? new Map<string, EdgePresence>();
      const before = [...entries.values()];
      entries.set(edge.edgeId, { ...edge, offlineAt: undefined });
      this.users.set(userId, entries);
      const at = this.members.get(nameOf(edge)) ?? { edge, users: new Set() };
      at.users.add(userId);
      this.members.set(nameOf(edge), at);
      return before;
    });
  }

  async offline(users: readonly UserGone[]): Promise<readonly (readonly EdgePresence[])[]> {
    await this.#answer();
    return users.map(({ userId, edge, at }) => {
      const entries = this.users.get(userId);
      const own = entries?.get(edge.edgeId);
      if (own?.incarnation === edge.incarnation && own.offlineAt === undefined) {
        entries?.set(edge.edgeId, { ...edge, offlineAt: at });
      }
      return [...(entries?.values() ?? [])];
    });
  }

  async forget(users: readonly UserGone[]): Promise<void> {
    await this.#answer();
    for (const { userId, edge, at } of users) {
      const entries = this.users.get(userId);
      if (entries?.get(edge.edgeId)?.offlineAt === at) entries.delete(edge.edgeId);
      this.members.get(nameOf(edge))?.users.delete(userId);
    }
  }

  async read(userIds: readonly string[]): Promise<readonly (readonly EdgePresence[])[]> {
    await this.#answer();
    return userIds.map((userId) => [...(this.users.get(userId)?.values() ?? [])]);
  }

  async keepAlive(edge: EdgeRun, at: number): Promise<void> {
    await this.#answer();
    this.#leases.set(edge.edgeId, { incarnation: edge.incarnation, until: this.#clock.monotonic() + this.#leaseMs });
    this.#heartbeats.set(nameOf(edge), at);
  }

  async live(edgeIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    await this.#answer();
    const live = new Map<string, string>();
    for (const edgeId of edgeIds) {
      const lease = this.#leases.get(edgeId);
      if (lease !== undefined && lease.until > this.#clock.monotonic()) live.set(edgeId, lease.incarnation);
    }
    return live;
  }

  async edges(): Promise<readonly EdgeRun[]> {
    await this.#answer();
    return [...this.members.values()].map(({ edge }) => edge);
  }

  async lastHeartbeat(edge: EdgeRun): Promise<number | undefined> {
    await this.#answer();
    return this.#heartbeats.get(nameOf(edge));
  }

  async *usersAt(edge: EdgeRun): AsyncGenerator<readonly string[]> {
    await this.#answer();
    yield [...(this.members.get(nameOf(edge))?.users ?? [])];
  }

  async claim(): Promise<boolean> {
    await this.#answer();
    return true;
  }

  async forgetEdge(edge: EdgeRun): Promise<void> {
    await this.#answer();
    if (this.members.get(nameOf(edge))?.users.size === 0) this.members.delete(nameOf(edge));
  }

  async #answer(): Promise<void> {
    await Promise.resolve();
    if (this.away) throw new RegistryUnavailable('away');
  }
}

export class MemoryLastSeen implements LastSeenStore {
  readonly rows = new Map<string, number>();
  away = false;

  async raise(at: ReadonlyMap<string, number>): Promise<void> {
    await Promise.resolve();
    if (this.away) throw new Error('away');
    for (const [userId, seen] of at) this.rows.set(userId, Math.max(seen, this.rows.get(userId) ?? 0));
  }

  async read(userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    await Promise.resolve();
    if (this.away) throw new Error('away');
    return new Map(userIds.flatMap((userId) => (this.rows.has(userId) ? [[userId, this.rows.get(userId) ?? 0]] : [])));
  }
}
