import type { Clock } from '@godwit/runtime/clock';
import { EdgeLeases } from './edge-leases.js';
import { nextEpoch } from './epoch.js';
import { Evictions } from './evictions.js';
import { KnownOffline } from './known-offline.js';
import type { DirectoryEvents, EdgeLinks, NewerSession, SessionArchive } from './ports.js';
import { isSameRun, isSameSocket, toStored, type EdgeProcess, type Session, type StoredSession } from './session.js';
import { SessionTable } from './session-table.js';
import { decodeNotice, Told, type Notice } from './told.js';
import { UserLoader } from './user-loader.js';
import { WriteBehind } from './write-behind.js';

/** A lease nobody here keeps is asked for in the archive when this little of it is left. */
const LEASE_ASKED_MS = 6_000;
const KNOWN_OFFLINE_MAX = 200_000;
/** Time in which all edges that live have linked to a new replica and registered what they have. */
const COLD_MS = 5_000;
/** Users looked at between two pauses of a walk over all of them. */
const WALK_SLICE = 2_000;

export interface RegisterRequest {
  readonly userId: string;
  readonly deviceId: string;
  readonly handle: number;
  readonly epoch: number;
  readonly again: boolean;
}

export type RegisterOutcome = { readonly kind: 'registered'; readonly epoch: number } | { readonly kind: 'superseded' };

/** A session as those who look it up see it. */
export type LiveSession = Omit<StoredSession, 'by'>;

/** This replica has just started, and can't say yet that somebody is offline. */
export class NotWarm extends Error {
  override readonly name = 'NotWarm';
}

export interface DirectoryOptions {
  /** This replica's name. */
  readonly self: string;
  /** The replica that the ring says a user belongs to. */
  readonly ownerOf: (userId: string) => string;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly archive: SessionArchive;
  readonly links: EdgeLinks;
  readonly events: DirectoryEvents;
}

/**
 * The sessions of the users that this replica owns, in memory, written through to the archive. It also serves users it
 * doesn't own, because rings may disagree for a moment: then the archive decides, and the owner is told.
 */
export class SessionDirectory {
  readonly leases: EdgeLeases;
  readonly evictions: Evictions;
  readonly #options: DirectoryOptions;
  readonly #table = new SessionTable();
  readonly #offline = new KnownOffline(KNOWN_OFFLINE_MAX);
  readonly #loader: UserLoader;
  readonly #writes: WriteBehind;
  readonly #told: Told;
  readonly #warmAt: number;
  #archiveAway = false;
  #unswept = 0;

  constructor(options: DirectoryOptions) {
    const { archive, clock, events, leaseMs, links } = options;
    this.#options = options;
    this.#warmAt = clock.monotonic() + COLD_MS;
    this.leases = new EdgeLeases(clock, leaseMs);
    this.evictions = new Evictions(links, events);
    this.#told = new Told(options.self, archive, events);
    this.#writes = new WriteBehind({
      archive,
      events,
      onNewer: (newer) => {
        this.#onNewer(newer);
      },
    });
    this.#loader = new UserLoader({
      load: (userIds) => this.#load(userIds),
      onLoaded: (userId, stored) => {
        this.#onLoaded(userId, stored);
      },
    });
  }

  get sessions(): number {
    return this.#table.size;
  }

  get archiveIncomplete(): boolean {
    return this.#writes.missed;
  }

  /** An edge's stream is up. */
  hello(edgeId: string, incarnation: string): EdgeProcess {
    const { edge, ended } = this.leases.hello(edgeId, incarnation);
    if (ended !== undefined) this.#onEnded(ended);
    this.#keepLease(edge);
    return edge;
  }

  heartbeat(edge: EdgeProcess): void {
    if (edge.ended) return;
    this.leases.seen(edge);
    this.#keepLease(edge);
  }

  /** Registers a socket; answers at once unless the archive has to be asked first. */
  register(edge: EdgeProcess, request: RegisterRequest, answer: (outcome: RegisterOutcome) => void): void {
    this.#whenKnown(request.userId, () => {
      answer(this.#register(edge, request));
    });
  }

  unregister(edge: EdgeProcess, { userId, deviceId, handle }: Omit<RegisterRequest, 'epoch' | 'again'>): void {
    this.#whenKnown(userId, () => {
      const matches = (session: Session): boolean =>
        session.deviceId === deviceId && isSameSocket(session, edge, handle);
      for (const removed of this.#table.remove(userId, matches)) this.#archiveRemoval(userId, removed);
    });
  }

  /**
   * The live sessions of each user, in the order asked.
   * @throws NotWarm when neither memory nor the archive can tell
   */
  async lookup(userIds: readonly string[]): Promise<readonly (readonly LiveSession[])[]> {
    const unknown = userIds.filter((id) => this.#loader.isLoading(id) || (this.#owns(id) && !this.#isKnown(id)));
    await this.#loader.loaded(unknown);
    if (this.#isCold && unknown.some((id) => !this.#table.has(id))) throw new NotWarm();
    const foreign = userIds.filter((id) => !this.#owns(id));
    const fromArchive = foreign.length === 0 ? undefined : await this.#load(foreign);
    return userIds.map((userId) => {
      const isFromArchive = fromArchive !== undefined && !this.#owns(userId) && !this.#writes.isPending(userId);
      const stored = isFromArchive ? (fromArchive.get(userId) ?? []) : [...this.#table.of(userId)].map(toStored);
      return stored.filter((session) => this.#edgeOf(session) !== undefined);
    });
  }

  /** Closes the sockets of some devices of a user, or (none named) of all. Gives the number of sockets. */
  async closeDevices(userId: string, deviceIds: ReadonlySet<string>): Promise<number> {
    let closed = 0;
    const close = (): void => {
      const matches = ({ deviceId }: Session): boolean => deviceIds.size === 0 || deviceIds.has(deviceId);
      for (const session of this.#table.remove(userId, matches)) {
        if (this.leases.isLive(session.edge)) closed++;
        this.evictions.evict(session.edge, session.handle, 'revoked');
        this.#archiveRemoval(userId, session);
      }
    };
    // Even a user who is known here may have a device that registered elsewhere a moment ago.
    await new Promise<void>((resolve) => {
      this.#loader.afterLoad(userId, () => {
        close();
        this.#dropForeign(userId);
        resolve();
      });
    });
    return closed;
  }

  /** Called each second: leases that lapse, what is known for a short time only. */
  async tick(): Promise<void> {
    this.#offline.age();
    this.#writes.age();
    const ending = this.leases.endingWithin(Math.min(LEASE_ASKED_MS, this.#options.leaseMs * 0.4));
    if (ending.length > 0) await this.#learnLeases(ending.map(({ edgeId }) => edgeId));
    for (const edge of this.leases.endLapsed()) this.#onEnded(edge);
    await this.#told.flush();
  }

  /** What other replicas have told: sessions they have written or removed. */
  async reconcile(notices: readonly string[]): Promise<void> {
    const written = new Set<string>();
    for (const { userId, deviceId, epoch, kind } of notices.flatMap((text) => decodeNotice(text) ?? [])) {
      if (kind === 'written' && this.#owns(userId)) {
        written.add(userId);
        continue;
      }
      this.#table.remove(userId, (session) => session.deviceId === deviceId && session.epoch <= epoch);
      // A write of ours that was under way may have come after the removal.
      if (kind === 'removed') this.#writes.remove(userId, deviceId, epoch);
    }
    await this.#loader.loaded([...written]);
  }

  /** Forgets the sessions of edges that have ended; pauses at each yield. */
  *sweep(): Generator<void> {
    if (this.#unswept === 0) return;
    this.#unswept = 0;
    let seen = 0;
    for (const userId of this.#table.users()) {
      for (const session of this.#table.remove(userId, ({ edge }) => edge.ended)) {
        this.#writes.remove(userId, session.deviceId, session.epoch);
      }
      if (++seen % WALK_SLICE === 0) yield;
    }
  }

  /** Writes every session to the archive again (it has lost them, or they are about to expire); yields each user. */
  *rewrite(): Generator<void> {
    this.#writes.beginAgain();
    for (const userId of this.#table.users()) {
      const owned = this.#owns(userId);
      for (const session of this.#table.of(userId)) {
        if (!session.edge.ended && (owned || session.by === this.#options.self))
          this.#writes.put(userId, toStored(session));
      }
      yield;
    }
  }

  /** What was changed is in the archive, or it is known that it isn't. */
  flush(): Promise<void> {
    return this.#writes.flush();
  }

  stop(): Promise<void> {
    return this.#writes.stop();
  }

  #owns(userId: string): boolean {
    return this.#options.ownerOf(userId) === this.#options.self;
  }

  get #isCold(): boolean {
    return this.#archiveAway && this.#options.clock.monotonic() < this.#warmAt;
  }

  #isKnown(userId: string): boolean {
    return !this.#loader.isLoading(userId) && (this.#table.has(userId) || this.#offline.has(userId));
  }

  #whenKnown(userId: string, action: () => void): void {
    const owned = this.#owns(userId);
    if (owned && this.#isKnown(userId)) {
      action();
      return;
    }
    this.#loader.afterLoad(userId, () => {
      action();
      if (!owned) this.#dropForeign(userId);
    });
  }

  #register(edge: EdgeProcess, { userId, deviceId, handle, epoch: brought, again }: RegisterRequest): RegisterOutcome {
    if (edge.ended) return { kind: 'superseded' };
    const { self, clock } = this.#options;
    const current = this.#table.find(userId, deviceId);
    const isNewer = current !== undefined && current.epoch > brought;
    if (again && isNewer && !isSameSocket(current, edge, handle)) return { kind: 'superseded' };
    const stored = current?.epoch ?? this.#writes.removedEpoch(userId, deviceId);
    // A socket that was asked for more than once may not know its last epoch.
    const kept = isNewer ? current.epoch : brought;
    const epoch = again ? kept : nextEpoch({ now: clock.now(), stored, brought });
    if (current !== undefined) this.#supersede(current, edge, handle);
    this.#tell(userId, { deviceId, epoch, by: current?.by ?? self }, 'written');
    const session = { deviceId, edge, handle, epoch, by: self };
    this.#table.put(userId, session);
    this.#offline.delete(userId);
    this.#writes.put(userId, toStored({ ...session, next: undefined }));
    return { kind: 'registered', epoch };
  }

  #supersede(current: Session, edge: EdgeProcess, handle: number): void {
    if (!isSameSocket(current, edge, handle)) this.evictions.evict(current.edge, current.handle, 'superseded');
  }

  #archiveRemoval(userId: string, session: Session): void {
    this.#writes.remove(userId, session.deviceId, session.epoch);
    this.#tell(userId, session, 'removed');
  }

  /** Whoever holds the session that was, and the owner of the user, if these are others. */
  #tell(
    userId: string,
    { deviceId, epoch, by }: Pick<Session, 'deviceId' | 'epoch' | 'by'>,
    kind: Notice['kind'],
  ): void {
    this.#told.tell([by, this.#options.ownerOf(userId)], { userId, deviceId, epoch, kind });
  }

  /** What other replicas wrote of users that aren't ours is read when it is asked for, never kept. */
  #dropForeign(userId: string): void {
    if (!this.#owns(userId)) this.#table.remove(userId, ({ by }) => by !== this.#options.self);
  }

  #onLoaded(userId: string, stored: readonly StoredSession[] | undefined): void {
    if (stored === undefined) return;
    this.#adopt(userId, stored);
    if (!this.#table.has(userId)) this.#offline.add(userId);
  }

  #onNewer({ userId, session }: NewerSession): void {
    this.#adopt(userId, [session]);
    this.#dropForeign(userId);
  }

  /** Takes over what is newer than what memory has, where its edge is alive. */
  #adopt(userId: string, stored: readonly StoredSession[]): void {
    for (const { deviceId, handle, epoch, by, ...at } of stored) {
      const current = this.#table.find(userId, deviceId);
      if (current !== undefined && current.epoch >= epoch) continue;
      const edge = this.#edgeOf(at);
      // The same socket with a newer epoch: it registered elsewhere once more, because an answer of ours came late.
      const isKnownSocket = current?.handle === handle && isSameRun(current.edge, at);
      if (current !== undefined && !isKnownSocket) this.evictions.evict(current.edge, current.handle, 'superseded');
      if (edge === undefined) this.#table.remove(userId, (session) => session === current);
      else this.#table.put(userId, { deviceId, edge, handle, epoch, by: this.#told.intern(by) });
    }
  }

  #edgeOf({ edgeId, incarnation }: Pick<StoredSession, 'edgeId' | 'incarnation'>): EdgeProcess | undefined {
    const edge = this.leases.current(edgeId);
    return edge?.incarnation === incarnation && this.leases.isLive(edge) ? edge : undefined;
  }

  /** Reads users, and the leases of the edges that these mention and nobody here has heard of. */
  async #load(userIds: readonly string[]): Promise<Map<string, readonly StoredSession[]> | undefined> {
    try {
      const stored = await this.#options.archive.load(userIds);
      this.#archiveAway = false;
      const unheard = new Set<string>();
      for (const sessions of stored.values()) {
        for (const session of sessions) if (this.#edgeOf(session) === undefined) unheard.add(session.edgeId);
      }
      if (unheard.size > 0) await this.#learnLeases([...unheard]);
      return new Map(Array.from(stored, ([userId, sessions]) => [userId, this.#withoutRemoved(userId, sessions)]));
    } catch (error) {
      this.#archiveAway = true;
      this.#options.events.archiveFailed('load', error);
      return undefined;
    }
  }

  #withoutRemoved(userId: string, sessions: readonly StoredSession[]): readonly StoredSession[] {
    return sessions.filter(({ deviceId, epoch }) => epoch > (this.#writes.removedEpoch(userId, deviceId) ?? -1));
  }

  async #learnLeases(edgeIds: readonly string[]): Promise<void> {
    try {
      for (const lease of await this.#options.archive.leases(edgeIds)) {
        const ended = this.leases.learn(lease);
        if (ended !== undefined) this.#onEnded(ended);
      }
    } catch (error) {
      this.#options.events.archiveFailed('lease', error);
    }
  }

  #keepLease({ edgeId, incarnation }: EdgeProcess): void {
    this.#options.archive.keepLease(edgeId, incarnation).catch((error: unknown) => {
      this.#options.events.archiveFailed('lease', error);
    });
  }

  #onEnded(edge: EdgeProcess): void {
    this.#unswept++;
    this.evictions.ended(edge);
    this.#options.events.edgeEnded(edge);
  }
}
