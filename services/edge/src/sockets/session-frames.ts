import type { Hello, Reauth } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { Clock } from '@godwit/runtime/clock';
import type { AccessTokens } from '../auth/access-tokens.js';
import type { Connection } from '../domain/connection.js';
import { invalid, unavailable } from '../domain/refusal.js';
import { CloseCode } from '../domain/socket.js';
import type { Syncs } from '../domain/syncs.js';
import type { PresenceLink } from '../links/presence-link.js';
import type { SessionLinks } from '../links/session-links.js';
import { checkCursors, toCursor } from './checks.js';
import { done, refuse, reply } from './replies.js';

export interface WelcomeTerms {
  readonly heartbeatMs: number;
  readonly limits: {
    readonly maxFrameBytes: number;
    readonly sendsPerSecond: number;
    readonly sendBurst: number;
    readonly callsPerSecond: number;
    readonly maxUnackedSends: number;
    readonly maxSubscriptions: number;
    readonly maxTextBytes: number;
  };
  readonly edges: readonly string[];
}

export interface SessionFrameOptions {
  readonly sessions: SessionLinks;
  readonly presence: PresenceLink;
  readonly syncs: Syncs;
  readonly tokens: AccessTokens;
  readonly clock: Clock;
  readonly terms: WelcomeTerms;
  /** The connection's deadlines have changed. */
  readonly reschedule: (connection: Connection) => void;
}

/** `hello` and `reauth`: who is there, from where on, and for how long. */
export class SessionFrames {
  readonly #options: SessionFrameOptions;

  constructor(options: SessionFrameOptions) {
    this.#options = options;
  }

  hello(connection: Connection, requestId: number, { cursors, epoch, marksSinceMs }: Hello): void {
    if (connection.state !== 'greeting') {
      refuse(connection, requestId, { reason: 'HELLO_FIRST', message: 'hello was said before' });
      return;
    }
    const refusal =
      checkCursors(cursors) ??
      (epoch > BigInt(Number.MAX_SAFE_INTEGER) ? invalid('epoch', 'is none that was given out') : undefined) ??
      (marksSinceMs > BigInt(Number.MAX_SAFE_INTEGER) ? invalid('marks_since_ms', 'is too large') : undefined);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    connection.state = 'registering';
    connection.helloRequestId = requestId;
    this.#options.syncs.prepare(connection, { cursors: cursors.map(toCursor), marksSinceMs: Number(marksSinceMs) });
    this.#options.sessions.register(connection, Number(epoch));
    this.#options.reschedule(connection);
  }

  /** The session service has answered: registered first, synced then. */
  registered(connection: Connection, epoch: number): void {
    if (connection.state !== 'registering') return;
    connection.epoch = epoch;
    const { heartbeatMs, limits, edges } = this.#options.terms;
    const value = {
      userId: connection.userId,
      deviceId: connection.deviceId,
      epoch,
      serverTimeMs: this.#options.clock.now(),
      heartbeatMs,
      limits,
      edges: [...edges],
      tokenExpiresAtMs: connection.tokenExpiresAt,
    };
    reply(connection, connection.helloRequestId, { $case: 'welcome', value });
    this.#options.presence.connected(connection);
    this.#options.syncs.begin(connection);
  }

  unreachable(connection: Connection): void {
    refuse(connection, connection.helloRequestId, unavailable('no session service answers'));
    connection.close(CloseCode.tryAgainLater, 'no session service answers');
  }

  async reauth(connection: Connection, requestId: number, { accessToken }: Reauth): Promise<void> {
    const check = await this.#options.tokens.check(accessToken);
    if (!check.ok) {
      refuse(connection, requestId, { reason: check.reason, message: check.message, field: 'access_token' });
      return;
    }
    const { userId, deviceId, expiresAt } = check.owner;
    if (userId !== connection.userId || deviceId !== connection.deviceId) {
      const message = 'the access token is of another user or device';
      refuse(connection, requestId, { reason: 'UNAUTHENTICATED', message, field: 'access_token' });
      return;
    }
    connection.tokenExpiresAt = Math.max(connection.tokenExpiresAt, expiresAt);
    this.#options.reschedule(connection);
    done(connection, requestId);
  }
}
