import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { PresenceServiceService } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import { RouterServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { newId } from '@godwit/ids/id';
import { connectNodes, type PoolOptions } from '@godwit/rpc/node-pool';
import { startRpcServer } from '@godwit/rpc/server';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import { AccessTokens } from './auth/access-tokens.js';
import { accountClient, type AccountClient } from './auth/account-client.js';
import { Authenticator, createAdmission } from './auth/admission.js';
import { DeviceChecks } from './auth/device-checks.js';
import { HttpApi } from './calls/http-api.js';
import { ServiceCalls } from './calls/service-calls.js';
import type { EdgeConfig } from './config.js';
import { createFleetLinks, type FleetLinks } from './fleet-links.js';
import { edgeObserver, type EdgeObserver } from './observer.js';
import { Sockets } from './sockets.js';
import { drain } from './sockets/drain.js';
import { Shaping } from './sockets/shaping.js';
import { addStatusPage } from './status/status-page.js';
import { UwsServer } from './uws/uws-server.js';

export interface EdgeService {
  /** Where clients connect (of use where port 0 was configured). */
  readonly port: number;
  readonly httpPort: number;
  readonly sockets: Sockets;
}

export interface EdgeOverrides {
  readonly clock?: Clock;
  /** Aborted when draining has to end at once. */
  readonly hurry?: AbortSignal;
}

interface Parts {
  readonly config: EdgeConfig;
  readonly life: Lifecycle;
  readonly metrics: Metrics;
  readonly observer: EdgeObserver;
  readonly clock: Clock;
}

interface Auth {
  readonly tokens: AccessTokens;
  readonly authenticator: Authenticator;
}

export const startEdge = async (
  config: EdgeConfig,
  life: Lifecycle,
  { clock = systemClock, hurry = new AbortController().signal }: EdgeOverrides = {},
): Promise<EdgeService> => {
  const metrics = createMetrics({ service: 'edge', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const parts: Parts = { config, life, metrics, observer: edgeObserver(metrics), clock };
  const links = createLinks(parts);
  const auth = createAuth(parts);
  const calls = createCalls(parts);
  const shaping = new Shaping(config.rates, clock);
  const sockets = new Sockets({ ...parts, links, calls, shaping, tokens: auth.tokens });
  sockets.start({ edgeId: config.node, incarnation: newId() });
  const readiness = (): true | string => {
    if (life.signal.aborted) return 'stopping';
    return auth.tokens.ready ? links.readiness() : 'the keys of access tokens have not been fetched';
  };
  const http = createHttp({ ...parts, auth, calls, shaping, readiness });
  const server = createServer({ ...parts, auth, sockets, shaping, http });
  registerStops({ ...parts, server, sockets, links, hurry });
  await startRpcServer({
    listen: config.grpcListen,
    services: [],
    auth: { fleetToken: config.fleetToken },
    tls: config.tls,
    metrics,
    life,
    reflection: false,
  });
  health.check('edge', readiness);
  await addStatusPage(health, { ...config, metrics, life, readiness });
  void keepKeys(auth.tokens, life);
  const port = await server.listen();
  health.started();
  life.logger.info({ port }, 'clients may connect');
  return { port, httpPort: health.port, sockets };
};

const poolOptions = ({ config, life, metrics }: Parts): Omit<PoolOptions, 'nodes'> => ({
  self: config.node,
  fleetToken: config.fleetToken,
  tls: config.tls,
  logger: life.logger,
  metrics,
});

const createLinks = (parts: Parts): FleetLinks => {
  const { router, session, presence } = parts.config.peers;
  const options = poolOptions(parts);
  const pools = {
    router: connectNodes(RouterServiceService, { ...options, nodes: router }),
    session: connectNodes(SessionServiceService, { ...options, nodes: session }),
    presence: connectNodes(PresenceServiceService, { ...options, nodes: presence }),
  };
  return createFleetLinks(pools, parts.clock);
};

const createCalls = (parts: Parts): ServiceCalls => {
  const { router, account, group, presence, push } = parts.config.peers;
  const calls = new ServiceCalls({ router, account, group, presence, push }, poolOptions(parts));
  parts.life.onStop('close', 'calls', () => {
    calls.close();
  });
  return calls;
};

const createAuth = (parts: Parts): Auth => {
  const pool = connectNodes(AccountServiceService, { ...poolOptions(parts), nodes: parts.config.peers.account });
  parts.life.onStop('close', 'account', () => {
    pool.close();
  });
  const account: AccountClient = accountClient(pool);
  const tokens = new AccessTokens({ fetchKeys: () => account.fetchKeys(), clock: parts.clock });
  const devices = new DeviceChecks({ devicesOf: (userIds) => account.devicesOf(userIds), clock: parts.clock });
  return { tokens, authenticator: new Authenticator({ tokens, devices, account }) };
};

const originRule = ({ config }: Parts): ((origin: string) => boolean) => {
  const allowed = new Set(config.origins);
  return (origin) => allowed.has('*') || allowed.has(origin);
};

interface HttpParts extends Parts {
  readonly auth: Auth;
  readonly calls: ServiceCalls;
  readonly shaping: Shaping;
  readonly readiness: () => true | string;
}

const createHttp = (parts: HttpParts): HttpApi => {
  const { auth, calls, shaping, observer, readiness } = parts;
  return new HttpApi({
    authenticator: auth.authenticator,
    calls,
    paceOfAddress: (address) => shaping.request(address),
    paceOfUser: (userId) => shaping.call(userId),
    isOriginAllowed: originRule(parts),
    jwks: () => auth.tokens.jwks,
    readiness,
    counted: observer.called,
  });
};

interface ServerParts extends Parts {
  readonly auth: Auth;
  readonly sockets: Sockets;
  readonly shaping: Shaping;
  readonly http: HttpApi;
}

const createServer = (parts: ServerParts) => {
  const { config, life, auth, sockets, shaping, http } = parts;
  const { maxSockets, maxFrameBytes, maxBodyBytes, maxBackpressureBytes, heartbeatMs } = config.limits;
  const mayConnect = (address: string) => {
    if (life.signal.aborted) return { status: 503, reason: 'UNAVAILABLE', message: 'this edge is stopping' };
    if (sockets.connections.size >= maxSockets) {
      return { status: 503, reason: 'OVERLOADED', message: 'this edge has all the sockets it can take' };
    }
    if (shaping.connect(address) === 0) return undefined;
    return { status: 429, reason: 'RATE_LIMITED', message: 'too many connections from this address' };
  };
  return new UwsServer(
    {
      host: config.listen.host,
      port: config.listen.port,
      webSocketPath: '/v1/ws',
      maxFrameBytes,
      maxBodyBytes,
      maxBackpressureBytes,
      idleTimeoutSeconds: Math.ceil((3 * heartbeatMs) / 1_000),
      tls: config.clientTls,
      trustProxy: config.trustProxy,
    },
    {
      admit: parts.observer.admission(
        createAdmission({ authenticator: auth.authenticator, mayConnect, isOriginAllowed: originRule(parts) }),
      ),
      ...sockets.handlers,
      request: (request) => http.answer(request),
      failed: (error) => {
        life.logger.error({ err: error }, 'a client request failed');
      },
    },
  );
};

interface StopParts extends Parts {
  readonly server: ReturnType<typeof createServer>;
  readonly sockets: Sockets;
  readonly links: FleetLinks;
  readonly hurry: AbortSignal;
}

/** What was told last may still be on its way when the streams are closed behind it. */
const LAST_WORDS_MS = 50;

const registerStops = ({ config, life, server, sockets, links, hurry }: StopParts): void => {
  life.onStop('stop-accepting', 'listening', () => {
    server.stopListening();
  });
  life.onStop('drain', 'sockets', async () => {
    await drain({ connections: sockets.connections, windowMs: config.drainMs, hurry });
    await sockets.stop();
    await sleep(LAST_WORDS_MS);
  });
  life.onStop('close', 'streams', () => {
    links.close();
  });
  life.onStop('close', 'server', () => {
    server.close();
  });
};

const RETRY = { minMs: 100, maxMs: 2_000 };

/** Until there are keys nobody can be let in. */
const keepKeys = async (tokens: AccessTokens, life: Lifecycle): Promise<void> => {
  for (let attempt = 0; !tokens.ready && !life.signal.aborted; attempt++) {
    try {
      await tokens.refresh(0);
    } catch (error) {
      life.logger.warn({ err: error }, 'the keys of access tokens could not be fetched yet');
      await sleep(fullJitter(RETRY, attempt), life.signal);
    }
  }
};
