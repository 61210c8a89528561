import { EvictReason } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type {
  EdgeToSession,
  Evict,
  Register,
  Registered,
  SessionServiceService,
  SessionToEdge,
  Unregister,
} from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import type { Clock } from '@godwit/runtime/clock';
import type { Connection } from '../domain/connection.js';
import { InFlight, type Flight } from '../domain/in-flight.js';
import { Pacer } from '../domain/pacer.js';
import type { EdgeIdentity } from './edge-identity.js';
import { LinkQueue } from './link-queue.js';

export interface SessionEvents {
  /** The socket has its epoch. */
  readonly onRegistered: (connection: Connection, epoch: number) => void;
  /** A live socket is known again; it may have missed something. */
  readonly onRegisteredAgain: (connection: Connection) => void;
  readonly onSuperseded: (connection: Connection) => void;
  /** No replica answers. */
  readonly onUnreachable: (connection: Connection) => void;
  readonly onEvict: (handle: number, reason: 'superseded' | 'revoked') => void;
}

export interface SessionLinkOptions {
  readonly pool: NodePool<typeof SessionServiceService>;
  readonly clock: Clock;
  readonly connections: () => Iterable<Connection>;
  readonly events: SessionEvents;
  /** How many sockets are registered again a second after a replica was lost or came back. */
  readonly againPerSecond: number;
}

type Part =
  | { readonly kind: 'register'; readonly item: Register }
  | { readonly kind: 'unregister'; readonly item: Unregister }
  | { readonly kind: 'heartbeat' };

interface Registration {
  readonly connection: Connection;
  readonly epoch: number;
  readonly again: boolean;
}

interface Lane {
  readonly link: StreamLink<SessionToEdge, EdgeToSession>;
  readonly queue: LinkQueue<Part, EdgeToSession>;
}

/** The lease is 15 s; a heartbeat may be lost or late. */
const HEARTBEAT_MS = 4_000;
const ATTEMPT_MS = 2_000;
const GIVE_UP_MS = 8_000;
/** A stream that only broke is up again by then. */
const GRACE_MS = 1_000;
const BOUNDS = { maxParts: 1_024, maxBytes: 1024 * 1024, maxQueued: 65_536 };
const PART_BYTES = 96;

const assemble = (parts: readonly Part[]): EdgeToSession => {
  const frame: EdgeToSession = { hello: undefined, registers: [], unregisters: [], heartbeat: false };
  for (const part of parts) {
    if (part.kind === 'register') frame.registers.push(part.item);
    else if (part.kind === 'unregister') frame.unregisters.push(part.item);
    else frame.heartbeat = true;
  }
  return frame;
};

/** A stream to every session replica: each has its users, and each may have to close any of our sockets. */
export class SessionLinks {
  readonly #options: SessionLinkOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #flights = new InFlight<Registration>();
  readonly #stranded = new Set<Flight<Registration>>();
  readonly #again: Pacer<Connection>;
  readonly #graces = new Set<NodeJS.Timeout>();
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: SessionLinkOptions) {
    this.#options = options;
    this.#again = new Pacer({
      perSecond: options.againPerSecond,
      work: (connection) => {
        this.#registerAgain(connection);
      },
    });
  }

  start(identity: EdgeIdentity): void {
    for (const node of this.#options.pool.nodes.names) this.#lanes.set(node, this.#lane(node, identity));
    this.#heartbeat = setInterval(() => {
      for (const { queue } of this.#lanes.values()) queue.offer({ kind: 'heartbeat' });
    }, HEARTBEAT_MS);
  }

  get someUp(): boolean {
    return [...this.#lanes.values()].some(({ link }) => link.up);
  }

  /** Makes the socket known; `epoch` is the one its device brought. */
  register(connection: Connection, epoch: number): void {
    this.#launch({ connection, epoch, again: false });
  }

  /** The socket has closed. */
  unregister(connection: Connection): void {
    this.#again.delete(connection);
    if (connection.sessionNode === '') return;
    const { userId, deviceId, handle } = connection;
    const nodes = connection.sessionMoved ? [...this.#lanes.keys()] : [connection.sessionNode];
    for (const node of nodes) {
      this.#lanes.get(node)?.queue.offer({ kind: 'unregister', item: { userId, deviceId, handle } });
    }
  }

  /** Call it a few times a second. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    for (const flight of [...this.#stranded]) this.#retryOrGiveUp(flight, now);
    for (const flight of this.#flights.sentBefore(now - ATTEMPT_MS)) {
      if (flight.node !== '') this.#options.pool.nodes.health.missedDeadline(flight.node);
      this.#retryOrGiveUp(flight, now);
    }
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const grace of this.#graces) clearTimeout(grace);
    this.#again.stop();
    for (const { link } of this.#lanes.values()) link.close();
  }

  #lane(node: string, identity: EdgeIdentity): Lane {
    const link = this.#options.pool.link(node, 'link', {
      onUp: (up) => {
        up.send({ ...assemble([]), hello: { edgeId: identity.edgeId, incarnation: identity.incarnation } });
        this.#onUp(node);
      },
      onFrame: (frame) => {
        this.#onFrame(frame);
      },
      onDown: () => {
        this.#onDown(node);
      },
    });
    return {
      link,
      queue: new LinkQueue<Part, EdgeToSession>(link, { assemble, bytesOf: () => PART_BYTES, ...BOUNDS }),
    };
  }

  #onFrame({ registered, evicts }: SessionToEdge): void {
    for (const answer of registered) this.#onRegistered(answer);
    for (const evict of evicts) this.#onEvict(evict);
  }

  #onRegistered({ requestId, epoch, superseded }: Registered): void {
    const flight = this.#flights.get(requestId);
    if (flight === undefined) return;
    const { connection, again } = flight.request;
    // Asked more than once, more than one may have it (the first id was never sent).
    const moved = flight.ids.length > 2 || (connection.sessionNode !== '' && connection.sessionNode !== flight.node);
    this.#end(flight);
    connection.sessionNode = flight.node;
    connection.sessionMoved ||= moved;
    if (!connection.isOpen) this.unregister(connection);
    else if (superseded) this.#options.events.onSuperseded(connection);
    else if (again) this.#options.events.onRegisteredAgain(connection);
    else this.#options.events.onRegistered(connection, epoch);
  }

  #onEvict({ handle, reason }: Evict): void {
    const isRevoked = reason === EvictReason.EVICT_REASON_REVOKED;
    this.#options.events.onEvict(handle, isRevoked ? 'revoked' : 'superseded');
  }

  /** It may be a replica that knows nothing yet: its users come (back) to it. */
  #onUp(node: string): void {
    for (const connection of this.#options.connections()) {
      if (connection.sessionNode === '') continue;
      if (connection.sessionNode !== node && this.#pick(connection.userId) === node) this.#again.add(connection);
    }
  }

  #onDown(node: string): void {
    this.#lanes.get(node)?.queue.clear();
    for (const flight of this.#flights.at(node)) this.#send(flight);
    const grace = setTimeout(() => {
      this.#graces.delete(grace);
      for (const connection of this.#options.connections()) {
        if (connection.sessionNode === node) this.#again.add(connection);
      }
    }, GRACE_MS);
    this.#graces.add(grace);
  }

  #registerAgain(connection: Connection): void {
    if (!connection.isOpen || connection.sessionNode === '') return;
    this.#launch({ connection, epoch: connection.epoch, again: true });
  }

  #pick(userId: string): string | undefined {
    const { nodes } = this.#options.pool;
    const first = nodes.pick(userId);
    if (first === undefined || this.#isUp(first)) return first;
    return nodes.candidates(userId).find((node) => this.#isUp(node));
  }

  #isUp(node: string): boolean {
    return this.#lanes.get(node)?.link.up === true;
  }

  #launch(registration: Registration): void {
    const now = this.#options.clock.monotonic();
    const flight = this.#flights.start(registration, { id: this.#flights.nextId(), node: '', now });
    this.#send(flight);
  }

  #send(flight: Flight<Registration>): void {
    const { connection, epoch, again } = flight.request;
    if (!connection.isOpen) {
      this.#end(flight);
      return;
    }
    const { userId, deviceId, handle } = connection;
    const node = this.#pick(userId) ?? '';
    const requestId = this.#flights.nextId();
    this.#flights.again(flight, { id: requestId, node, now: this.#options.clock.monotonic() });
    const item = { requestId, userId, deviceId, handle, epoch, again };
    if (this.#lanes.get(node)?.queue.offer({ kind: 'register', item }) === true) this.#stranded.delete(flight);
    else this.#stranded.add(flight);
  }

  #retryOrGiveUp(flight: Flight<Registration>, now: number): void {
    const { connection, again } = flight.request;
    // A live socket goes on without: its device would find no better edge while the replicas are away.
    if (again || now - flight.startedAt < GIVE_UP_MS) {
      this.#send(flight);
      return;
    }
    this.#end(flight);
    if (connection.isOpen) this.#options.events.onUnreachable(connection);
  }

  #end(flight: Flight<Registration>): void {
    this.#flights.end(flight);
    this.#stranded.delete(flight);
  }
}
