import type { Clock } from '@godwit/runtime/clock';
import { Coalescer } from '@godwit/runtime/coalescer';
import type { EdgeSockets } from './edge-sockets.js';
import type { LastSeen } from './last-seen.js';
import type { EdgeLife } from './live-edges.js';
import type { OnlineRegistry, UserAtEdge, UserGone } from './ports.js';
import { isOnline, isSameRun, type EdgePresence, type EdgeRun, type UserPresence } from './presence.js';

/** Transitions that happen together go to the registry together. */
const INTERVAL_MS = 20;
const MAX_TRANSITIONS = 200_000;
const PIECE = 500;

type Transition = (UserAtEdge & { readonly at: undefined }) | UserGone;

interface Leaving {
  readonly sockets: EdgeSockets;
  readonly userId: string;
  readonly at: number;
  readonly due: number;
}

interface Known {
  readonly stored: readonly EdgePresence[];
  readonly online: boolean;
}

export interface TrackerOptions {
  readonly clock: Clock;
  /** A user without a socket counts as online this long, so that a reconnect is nobody's news. */
  readonly graceMs: number;
  readonly registry: OnlineRegistry;
  readonly life: EdgeLife;
  readonly lastSeen: LastSeen;
  /** A user has come online or gone offline, as far as anybody knows. */
  readonly announce: (userId: string, presence: UserPresence) => void;
  readonly onError: (error: unknown) => void;
}

/** Turns sockets that come and go into users who are online and offline. */
export class OnlineTracker {
  readonly #options: TrackerOptions;
  readonly #links = new Set<EdgeSockets>();
  readonly #transitions: Coalescer<string, Transition>;
  /** In the order they are due: the grace is the same for all. */
  #leaving: Leaving[] = [];
  #missed = false;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#transitions = new Coalescer({
      intervalMs: INTERVAL_MS,
      maxKeys: MAX_TRANSITIONS,
      merge: (_older, newer) => newer,
      flush: (entries) => this.#apply([...entries.values()]),
      onError: options.onError,
    });
  }

  get sockets(): number {
    let count = 0;
    for (const link of this.#links) count += link.size;
    return count;
  }

  /** Something could not be written to the registry; what is here has to be written again. */
  get missed(): boolean {
    return this.#missed;
  }

  link(sockets: EdgeSockets): void {
    this.#links.add(sockets);
    this.#options.life.linked(sockets.edge);
  }

  /** Whether its users are offline is not known now: the edge links again, perhaps elsewhere, or it dies. */
  unlink(sockets: EdgeSockets): void {
    sockets.closed = true;
    this.#links.delete(sockets);
    if (![...this.#links].some(({ edge }) => isSameRun(edge, sockets.edge))) this.#options.life.unlinked(sockets.edge);
  }

  isHere(userId: string): boolean {
    for (const link of this.#links) if (link.has(userId)) return true;
    return false;
  }

  connected(sockets: EdgeSockets, handle: number, userId: string): void {
    if (sockets.userOf(handle) !== undefined) this.disconnected(sockets, handle);
    if (sockets.add(handle, userId)) this.#add({ userId, edge: sockets.edge, at: undefined });
  }

  disconnected(sockets: EdgeSockets, handle: number): void {
    const userId = sockets.remove(handle);
    if (userId === undefined) return;
    const { clock, graceMs } = this.#options;
    this.#leaving.push({ sockets, userId, at: clock.now(), due: clock.monotonic() + graceMs });
  }

  /** Called several times a second: those whose grace is over have left. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    const waiting = this.#leaving.findIndex(({ due }) => due > now);
    const due = this.#leaving.splice(0, waiting < 0 ? this.#leaving.length : waiting);
    for (const { sockets, userId, at } of due) {
      // On a stream that has broken it is for the next one, or for whoever finds the edge dead, to say so.
      if (!sockets.closed && !sockets.has(userId)) this.#add({ userId, edge: sockets.edge, at });
    }
  }

  /** These users were online on this edge, and are not any more. */
  left(edge: EdgeRun, userIds: readonly string[], at: number): void {
    for (const userId of userIds) this.#add({ userId, edge, at });
  }

  /** Writes all users that are here to the registry again; yields each. */
  *rewrite(): Generator<void> {
    this.#missed = false;
    for (const sockets of this.#links) {
      for (const userId of sockets.users()) {
        this.#add({ userId, edge: sockets.edge, at: undefined });
        yield;
      }
    }
  }

  flush(): Promise<void> {
    return this.#transitions.flush();
  }

  stop(): Promise<void> {
    return this.#transitions.stop();
  }

  #add(transition: Transition): void {
    const { edge, userId } = transition;
    if (!this.#transitions.set(`${userId} ${edge.edgeId} ${edge.incarnation}`, transition)) this.#missed = true;
  }

  /** One piece after the other: thousands at once would take longer than an answer may take. */
  async #apply(transitions: readonly Transition[]): Promise<void> {
    for (let from = 0; from < transitions.length; from += PIECE) {
      const piece = transitions.slice(from, from + PIECE);
      const coming = piece.filter((transition) => transition.at === undefined);
      const going = piece.filter((transition) => transition.at !== undefined);
      await Promise.all([this.#come(coming), this.#go(going)]);
    }
  }

  async #come(users: readonly UserAtEdge[]): Promise<void> {
    if (users.length === 0) return;
    const before = await this.#ask(() => this.#options.registry.online(users));
    users.forEach(({ userId }, index) => {
      if (before?.[index]?.online !== true) this.#options.announce(userId, { online: true, lastSeenMs: 0 });
    });
  }

  async #go(users: readonly UserGone[]): Promise<void> {
    if (users.length === 0) return;
    const after = await this.#ask(() => this.#options.registry.offline(users));
    const done: UserGone[] = [];
    users.forEach((user, index) => {
      const known = after?.[index];
      // Somebody may have marked them before, and not lived to see it written.
      const at = known?.stored.find((entry) => isSameRun(entry, user.edge))?.offlineAt ?? user.at;
      const gone = { ...user, at };
      if (known?.online ?? this.isHere(gone.userId)) {
        done.push(gone);
        return;
      }
      if (at === user.at) this.#options.announce(gone.userId, { online: false, lastSeenMs: at });
      this.#options.lastSeen.went(gone);
    });
    await this.forget(done);
  }

  /** The registry need not remember these any more. */
  async forget(users: readonly UserGone[]): Promise<void> {
    if (users.length === 0) return;
    try {
      for (let from = 0; from < users.length; from += PIECE) {
        await this.#options.registry.forget(users.slice(from, from + PIECE));
      }
    } catch (error) {
      // They are marked as gone there already, or the mark was missed too and the edge's next stream makes it good.
      this.#options.onError(error);
    }
  }

  /** What the registry gives for each user, and whether it says that they are online; undefined when it is away. */
  async #ask(change: () => Promise<readonly (readonly EdgePresence[])[]>): Promise<readonly Known[] | undefined> {
    try {
      const found = await change();
      const live = await this.#options.life.among(found);
      return found.map((stored) => ({ stored, online: isOnline(stored, live) }));
    } catch (error) {
      this.#missed = true;
      this.#options.onError(error);
      return undefined;
    }
  }
}
