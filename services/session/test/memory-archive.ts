import type { Clock } from '@godwit/runtime/clock';
import {
  ArchiveUnavailable,
  type NewerSession,
  type SessionArchive,
  type SessionChanges,
  type StoredLease,
} from '../src/domain/ports.js';
import type { StoredSession } from '../src/domain/session.js';

/** The archive as a map that several directories share. */
export class MemoryArchive implements SessionArchive {
  readonly users = new Map<string, Map<string, StoredSession>>();
  readonly mail = new Map<string, Set<string>>();
  readonly #leases = new Map<string, { incarnation: string; until: number }>();
  readonly #clock: Clock;
  readonly #leaseMs: number;
  away = false;
  loads = 0;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  flushAll(): void {
    this.users.clear();
    this.#leases.clear();
  }

  async load(userIds: readonly string[]): Promise<Map<string, readonly StoredSession[]>> {
    await this.#answer();
    this.loads++;
    return new Map(
      userIds.flatMap((id) => (this.users.has(id) ? [[id, [...(this.users.get(id)?.values() ?? [])]]] : [])),
    );
  }

  async write(changes: SessionChanges): Promise<readonly NewerSession[]> {
    await this.#answer();
    const newer: NewerSession[] = [];
    for (const [userId, byDevice] of changes) {
      const sessions = this.users.get(userId) ?? new Map<string, StoredSession>();
      for (const [deviceId, change] of byDevice) {
        const stored = sessions.get(deviceId);
        const epoch = change.kind === 'put' ? change.session.epoch : change.epoch;
        if (stored !== undefined && stored.epoch > epoch) {
          if (change.kind === 'put') newer.push({ userId, session: stored });
        } else if (change.kind === 'put') sessions.set(deviceId, change.session);
        else sessions.delete(deviceId);
      }
      if (sessions.size > 0) this.users.set(userId, sessions);
      else this.users.delete(userId);
    }
    return newer;
  }

  async keepLease(edgeId: string, incarnation: string): Promise<void> {
    await this.#answer();
    this.#leases.set(edgeId, { incarnation, until: this.#clock.monotonic() + this.#leaseMs });
  }

  async leases(edgeIds: readonly string[]): Promise<readonly StoredLease[]> {
    await this.#answer();
    return edgeIds.flatMap((edgeId) => {
      const lease = this.#leases.get(edgeId);
      const remainingMs = (lease?.until ?? 0) - this.#clock.monotonic();
      return lease === undefined || remainingMs <= 0 ? [] : [{ edgeId, incarnation: lease.incarnation, remainingMs }];
    });
  }

  async tell(userIdsByReplica: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    await this.#answer();
    for (const [replica, userIds] of userIdsByReplica) {
      const mail = this.mail.get(replica) ?? new Set();
      for (const userId of userIds) mail.add(userId);
      this.mail.set(replica, mail);
    }
  }

  takeTold(replica: string): string[] {
    const mail = [...(this.mail.get(replica) ?? [])];
    this.mail.delete(replica);
    return mail;
  }

  async #answer(): Promise<void> {
    await Promise.resolve();
    if (this.away) throw new ArchiveUnavailable('away');
  }
}
