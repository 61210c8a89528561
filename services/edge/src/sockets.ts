import type { Clock } from '@godwit/runtime/clock';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { LoopLag } from '@godwit/runtime/loop-lag';
import type { AccessTokens } from './auth/access-tokens.js';
import type { ServiceCalls } from './calls/service-calls.js';
import type { EdgeConfig } from './config.js';
import type { Connection, ConnectionIdentity } from './domain/connection.js';
import { Connections } from './domain/connections.js';
import { Outbox } from './domain/outbox.js';
import { CloseCode } from './domain/socket.js';
import { Syncs } from './domain/syncs.js';
import type { FleetLinks } from './fleet-links.js';
import { Cursors } from './links/cursors.js';
import type { EdgeIdentity } from './links/edge-identity.js';
import type { PresenceEvents, PresenceLink } from './links/presence-link.js';
import { RouterAbsence } from './links/router-absence.js';
import type { RouterEvents } from './links/router-links.js';
import { RouterRequests } from './links/router-requests.js';
import type { SessionEvents, SessionLinks } from './links/session-links.js';
import { routerSyncSource } from './links/sync-source.js';
import type { EdgeObserver } from './observer.js';
import { CallFrames } from './sockets/call-frames.js';
import { DeliverySpans } from './sockets/delivery-spans.js';
import { FrameDispatch } from './sockets/frame-dispatch.js';
import { Gateway } from './sockets/gateway.js';
import { MessageFrames } from './sockets/message-frames.js';
import { PresenceFrames } from './sockets/presence-frames.js';
import { tellPresence } from './sockets/presence-updates.js';
import { errorFrame } from './sockets/replies.js';
import { requestEvents } from './sockets/request-events.js';
import { RouterFrames } from './sockets/router-frames.js';
import { SessionFrames, type WelcomeTerms } from './sockets/session-frames.js';
import type { Shaping } from './sockets/shaping.js';
import type { ServerHandlers } from './uws/uws-server.js';
import { serverFrame } from './wire/server-frame.js';

export interface SocketParts {
  readonly config: EdgeConfig;
  readonly life: Lifecycle;
  readonly clock: Clock;
  readonly observer: EdgeObserver;
  readonly links: FleetLinks;
  readonly calls: ServiceCalls;
  readonly shaping: Shaping;
  readonly tokens: AccessTokens;
}

type SocketHandlers = Pick<ServerHandlers<ConnectionIdentity, Connection>, 'opened' | 'message' | 'drained' | 'closed'>;

const CURSOR_MERGE_MS = 200;
const MAX_MARKS = 50_000;
const RECHECK_MS = 5_000;
const QUEUE_BYTES = 512 * 1024;
/** A sync waits for a socket that lags behind by so much: well below the limit at which it is closed. */
const HIGH_WATER_BYTES = 256 * 1024;
/** The longest text that a router accepts. */
const MAX_TEXT_BYTES = 16 * 1024;
const TICK_MS = 250;
const DEADLINE_TICK_MS = 1_000;
const SILENCE_CHECK_MS = 5_000;
const FAILED_SYNC_RETRY_MS = 1_000;
const LAG = { everyMs: 50, targetMs: 100, looks: 8 };

const termsOf = ({ limits, rates, publicUrls }: EdgeConfig): WelcomeTerms => ({
  heartbeatMs: limits.heartbeatMs,
  edges: publicUrls,
  limits: {
    maxFrameBytes: limits.maxFrameBytes,
    sendsPerSecond: rates.sends.perSecond,
    sendBurst: rates.sends.burst,
    callsPerSecond: rates.calls.perSecond,
    maxUnackedSends: limits.maxUnackedSends,
    maxSubscriptions: limits.maxSubscriptions,
    maxTextBytes: MAX_TEXT_BYTES,
  },
});

/** The sockets of this edge, and everything that happens to them, wired together. */
export class Sockets {
  readonly connections = new Connections();
  /** For the server that the sockets come from. */
  readonly handlers: SocketHandlers;
  readonly #parts: SocketParts;
  readonly #outbox = new Outbox();
  readonly #spans = new DeliverySpans();
  // Real time whatever the clock says: it is this process that is looked at.
  readonly #lag = new LoopLag({ now: () => performance.now(), ...LAG });
  readonly #syncs: Syncs;
  readonly #requests: RouterRequests;
  readonly #cursors: Cursors;
  readonly #routerFrames: RouterFrames;
  readonly #absence: RouterAbsence;
  readonly #sessions: SessionLinks;
  readonly #presence: PresenceLink;
  readonly #gateway: Gateway;
  readonly #sessionFrames: SessionFrames;
  readonly #presenceFrames: PresenceFrames;
  readonly #dispatch: FrameDispatch;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(parts: SocketParts) {
    this.#parts = parts;
    const { config, life, clock, observer, links } = parts;
    const { routers } = links;
    const connections = this.connections;
    const outbox = this.#outbox;
    const events = requestEvents(outbox, observer);
    this.#syncs = this.#createSyncs();
    const isBehind = (): boolean => this.#lag.isBehind;
    this.#requests = new RouterRequests({ routers, clock, events, maxInFlight: config.limits.maxInFlight, isBehind });
    this.#cursors = new Cursors({ routers, logger: life.logger, mergeMs: CURSOR_MERGE_MS, maxMarks: MAX_MARKS });
    const routerParts = {
      routers,
      requests: this.#requests,
      connections,
      syncs: this.#syncs,
      outbox,
      spans: this.#spans,
    };
    this.#routerFrames = new RouterFrames({ ...routerParts, delivered: observer.delivered });
    this.#absence = new RouterAbsence({ suspect: () => this.#gateway.recheckAll() });
    ({ sessions: this.#sessions, presence: this.#presence } = links.attach({
      connections: () => connections.all(),
      toldPerSecond: config.limits.rechecksPerSecond,
      router: this.#routerEvents(),
      session: this.#sessionEvents(),
      presence: this.#presenceEvents(),
    }));
    this.#gateway = this.#createGateway();
    this.#sessionFrames = this.#createSessionFrames();
    const { maxSubscriptions } = config.limits;
    this.#presenceFrames = new PresenceFrames({ presence: this.#presence, clock, maxSubscriptions });
    this.#dispatch = this.#createDispatch();
    this.handlers = this.#createHandlers();
    observer.watch({
      sockets: () => connections.size,
      syncs: () => this.#syncs.running,
      inFlight: () => this.#requests.size,
    });
  }

  start(identity: EdgeIdentity): void {
    this.#parts.links.start(identity);
    this.#lag.start();
    this.#every(TICK_MS, () => {
      this.#requests.tick();
      this.#sessions.tick();
      this.#syncs.tick();
      this.#presenceFrames.tick();
      this.#outbox.flush();
    });
    this.#every(DEADLINE_TICK_MS, () => {
      this.#gateway.tick();
    });
    this.#every(SILENCE_CHECK_MS, () => {
      this.#syncs.checkSilent();
    });
  }

  /** Tells the fleet the last of what the sockets said. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#lag.stop();
    this.#gateway.stop();
    this.#absence.close();
    await this.#cursors.stop();
  }

  #every(milliseconds: number, work: () => void): void {
    this.#timers.push(setInterval(work, milliseconds));
  }

  #createHandlers(): SocketHandlers {
    return {
      opened: (socket, identity) => this.#gateway.open(socket, identity),
      message: (connection, data, isBinary) => {
        this.#dispatch.take(connection, data, isBinary);
        // What could be answered at once has been gathered here.
        this.#outbox.flush();
      },
      drained: (connection) => {
        this.#syncs.onDrain(connection);
      },
      closed: (connection, code) => {
        this.#parts.observer.closed(code);
        this.#gateway.close(connection);
      },
    };
  }

  #createSyncs(): Syncs {
    const { config, clock, observer, links } = this.#parts;
    return new Syncs({
      source: routerSyncSource(links.routers),
      clock,
      queueBounds: { items: config.limits.syncQueueItems, bytes: QUEUE_BYTES },
      highWaterBytes: HIGH_WATER_BYTES,
      recheckMs: RECHECK_MS,
      completeFrame: (serverTimeMs) => serverFrame({ $case: 'syncComplete', value: { serverTimeMs } }),
      failedFrame: (reason, message) => errorFrame({ reason, message, retryAfterMs: FAILED_SYNC_RETRY_MS }, 0),
      planned: (connection) => {
        this.#gateway.reschedule(connection);
      },
      completed: observer.synced,
      found: observer.found,
    });
  }

  #createGateway(): Gateway {
    return new Gateway({
      connections: this.connections,
      syncs: this.#syncs,
      sessions: this.#sessions,
      presence: this.#presence,
      clock: this.#parts.clock,
      rechecksPerSecond: this.#parts.config.limits.rechecksPerSecond,
    });
  }

  #createSessionFrames(): SessionFrames {
    const { config, clock, tokens } = this.#parts;
    return new SessionFrames({
      sessions: this.#sessions,
      presence: this.#presence,
      syncs: this.#syncs,
      tokens,
      clock,
      terms: termsOf(config),
      reschedule: (connection) => {
        this.#gateway.reschedule(connection);
      },
    });
  }

  #createDispatch(): FrameDispatch {
    const { config, clock, life, observer, shaping, calls } = this.#parts;
    const { maxUnackedSends, maxRunningCalls } = config.limits;
    const tooFast = (connection: Connection): void => {
      this.#dispatch.tooFast(connection);
    };
    return new FrameDispatch({
      session: this.#sessionFrames,
      messages: new MessageFrames({
        requests: this.#requests,
        cursors: this.#cursors,
        syncs: this.#syncs,
        shaping,
        spans: this.#spans,
        maxUnackedSends,
        tooFast,
      }),
      presence: this.#presenceFrames,
      calls: new CallFrames({ calls, shaping, maxRunningCalls, tooFast }),
      shaping,
      clock,
      logger: life.logger,
      counted: observer.framed,
    });
  }

  #routerEvents(): RouterEvents {
    return {
      onFrame: (frame, node) => {
        this.#routerFrames.take(frame, node);
      },
      onUp: (node) => {
        this.#absence.onUp(node);
      },
      onDown: (node) => {
        this.#absence.onDown(node);
        this.#requests.onNodeDown(node);
        this.#syncs.onNodeDown(node);
        this.#cursors.onNodeDown(node);
        this.#outbox.flush();
      },
    };
  }

  #sessionEvents(): SessionEvents {
    return {
      onRegistered: (connection, epoch) => {
        this.#sessionFrames.registered(connection, epoch);
      },
      onRegisteredAgain: (connection) => {
        this.#gateway.recheck(connection);
      },
      onSuperseded: (connection) => {
        connection.close(CloseCode.superseded, 'this device has a newer socket');
      },
      onUnreachable: (connection) => {
        this.#sessionFrames.unreachable(connection);
      },
      onEvict: (handle, reason) => {
        this.#gateway.evict(handle, reason);
      },
    };
  }

  #presenceEvents(): PresenceEvents {
    return {
      onUpdate: (update) => {
        tellPresence(this.connections, update);
      },
      onOutcome: (outcome) => {
        this.#presenceFrames.onOutcome(outcome);
      },
      onDown: () => {
        this.#presenceFrames.onDown();
      },
    };
  }
}
