import type { Clock } from '@godwit/runtime/clock';
import type { Connection, ConnectionIdentity } from '../domain/connection.js';
import type { Connections } from '../domain/connections.js';
import { DeadlineWheel } from '../domain/deadline-wheel.js';
import { Pacer } from '../domain/pacer.js';
import { CloseCode, type Socket } from '../domain/socket.js';
import type { Syncs } from '../domain/syncs.js';
import type { PresenceLink } from '../links/presence-link.js';
import type { SessionLinks } from '../links/session-links.js';

export interface GatewayOptions {
  readonly connections: Connections;
  readonly syncs: Syncs;
  readonly sessions: SessionLinks;
  readonly presence: PresenceLink;
  readonly clock: Clock;
  readonly rechecksPerSecond: number;
}

const HELLO_MS = 10_000;
/** An expired token may be renewed for so long. */
const EXPIRED_GRACE_MS = 60_000;

/** The life of sockets: opened, looked after, closed. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #deadlines = new DeadlineWheel<Connection>();
  readonly #rechecks: Pacer<Connection>;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#rechecks = new Pacer({
      perSecond: options.rechecksPerSecond,
      work: (connection) => {
        options.syncs.recheck(connection);
      },
    });
  }

  open(socket: Socket, identity: ConnectionIdentity): Connection {
    const connection = this.#options.connections.open(socket, identity);
    this.#deadlines.schedule(connection, this.#options.clock.now() + HELLO_MS);
    return connection;
  }

  close(connection: Connection): void {
    const { connections, syncs, sessions, presence } = this.#options;
    connections.close(connection);
    this.#deadlines.cancel(connection);
    this.#rechecks.delete(connection);
    syncs.onClose(connection);
    sessions.unregister(connection);
    presence.disconnected(connection);
  }

  evict(handle: number, reason: 'superseded' | 'revoked'): void {
    const connection = this.#options.connections.get(handle);
    if (reason === 'revoked') connection?.close(CloseCode.unauthorized, 'signed out');
    else connection?.close(CloseCode.superseded, 'this device has a newer socket');
  }

  /** A live socket may have missed something: it is synced again in its turn. */
  recheck(connection: Connection): void {
    this.#rechecks.add(connection);
  }

  recheckAll(): void {
    for (const connection of this.#options.connections.all()) {
      if (connection.state === 'live') this.#rechecks.add(connection);
    }
  }

  /** Its deadlines have changed. */
  reschedule(connection: Connection): void {
    if (!connection.isOpen) return;
    const expiresAt = connection.tokenExpiresAt + EXPIRED_GRACE_MS;
    const { recheckAt } = connection;
    this.#deadlines.schedule(connection, recheckAt === 0 ? expiresAt : Math.min(recheckAt, expiresAt));
  }

  /** Call it once a second. */
  tick(): void {
    const now = this.#options.clock.now();
    this.#deadlines.turn(now, (connection) => {
      this.#due(connection, now);
    });
  }

  stop(): void {
    this.#rechecks.stop();
  }

  #due(connection: Connection, now: number): void {
    if (connection.state === 'greeting') {
      connection.close(CloseCode.helloTimeout, 'no hello in time');
      return;
    }
    if (now >= connection.tokenExpiresAt + EXPIRED_GRACE_MS) {
      connection.close(CloseCode.unauthorized, 'the access token has expired');
      return;
    }
    if (connection.recheckAt !== 0 && now >= connection.recheckAt) {
      connection.recheckAt = 0;
      this.#rechecks.add(connection);
    }
    this.reschedule(connection);
  }
}
