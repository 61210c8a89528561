import { baseSettings } from '@godwit/runtime/base-config';
import {
  duration,
  flag,
  hostPort,
  integer,
  loadConfig,
  nodes,
  setting,
  type ConfigOf,
  type Env,
  type Setting,
} from '@godwit/runtime/config';
import { z } from 'zod';

const list = (name: string, fallback: string) =>
  setting(
    name,
    z.string().transform((value) =>
      value
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    ),
    fallback,
  );

const TLS_VARIABLES = ['GODWIT_EDGE_TLS_CERT', 'GODWIT_EDGE_TLS_KEY'] as const;

const clientTls: Setting<{ readonly cert: string; readonly key: string } | undefined> = {
  name: TLS_VARIABLES.join(', '),
  secret: false,
  read: (env) => {
    const [cert, key] = TLS_VARIABLES.map((name) => env[name] ?? '');
    if (!cert && !key) return undefined;
    if (!cert || !key) throw new RangeError('belong together: set both or none');
    return { cert, key };
  },
};

const rate = (variable: string, perSecond: number, burst: number) => ({
  perSecond: integer(`GODWIT_EDGE_${variable}_PER_SECOND`, { min: 1, fallback: perSecond }),
  burst: integer(`GODWIT_EDGE_${variable}_BURST`, { min: 1, fallback: burst }),
});

const settings = {
  ...baseSettings({ service: 'edge', grpcPort: 7100, httpPort: 9100 }),
  listen: hostPort('GODWIT_EDGE_LISTEN', '127.0.0.1:8080'),
  publicUrls: list('GODWIT_EDGE_PUBLIC_URLS', 'ws://127.0.0.1:8080'),
  /** Files of the certificate and the key that clients see; none: plain text, behind something that speaks TLS. */
  clientTls,
  trustProxy: flag('GODWIT_EDGE_TRUST_PROXY', false),
  origins: list('GODWIT_EDGE_ORIGINS', '*'),
  drainMs: duration('GODWIT_EDGE_DRAIN', '10s'),
  peers: {
    router: nodes('GODWIT_ROUTER_NODES', 'router-0=127.0.0.1:7110'),
    session: nodes('GODWIT_SESSION_NODES', 'session-0=127.0.0.1:7130'),
    presence: nodes('GODWIT_PRESENCE_NODES', 'presence-0=127.0.0.1:7150'),
    account: nodes('GODWIT_ACCOUNT_NODES', 'account-0=127.0.0.1:7160'),
    group: nodes('GODWIT_GROUP_NODES', 'group-0=127.0.0.1:7140'),
    push: nodes('GODWIT_PUSH_NODES', 'push-0=127.0.0.1:7170'),
  },
  limits: {
    maxSockets: integer('GODWIT_EDGE_MAX_SOCKETS', { min: 1, fallback: 100_000 }),
    maxFrameBytes: integer('GODWIT_EDGE_MAX_FRAME_BYTES', { min: 1_024, max: 1_048_576, fallback: 65_536 }),
    maxBodyBytes: integer('GODWIT_EDGE_MAX_BODY_BYTES', { min: 1_024, max: 4_194_304, fallback: 262_144 }),
    maxBackpressureBytes: integer('GODWIT_EDGE_MAX_BACKPRESSURE_BYTES', { min: 65_536, fallback: 1_048_576 }),
    maxUnackedSends: integer('GODWIT_EDGE_MAX_UNACKED_SENDS', { min: 1, max: 10_000, fallback: 256 }),
    maxRunningCalls: integer('GODWIT_EDGE_MAX_RUNNING_CALLS', { min: 1, max: 1_000, fallback: 32 }),
    maxSubscriptions: integer('GODWIT_EDGE_MAX_SUBSCRIPTIONS', { min: 1, max: 100_000, fallback: 1_000 }),
    maxInFlight: integer('GODWIT_EDGE_MAX_IN_FLIGHT', { min: 100, fallback: 50_000 }),
    heartbeatMs: duration('GODWIT_EDGE_HEARTBEAT', '20s'),
    syncQueueItems: integer('GODWIT_EDGE_SYNC_QUEUE_ITEMS', { min: 1, fallback: 1_000 }),
    rechecksPerSecond: integer('GODWIT_EDGE_RECHECKS_PER_SECOND', { min: 1, fallback: 500 }),
  },
  rates: {
    /** Frames of any kind, a device. */
    frames: rate('FRAMES', 200, 1_000),
    /** Sends of a device; a user has twice as much, an address what is below. */
    sends: rate('SENDS', 20, 200),
    sendsOfAddress: rate('ADDRESS_SENDS', 2_000, 10_000),
    /** Calls and fetches of a user. */
    calls: rate('CALLS', 20, 100),
    /** HTTP requests of an address. */
    requests: rate('ADDRESS_REQUESTS', 200, 1_000),
    /** Handshakes of an address. */
    connects: rate('ADDRESS_CONNECTS', 500, 5_000),
  },
};

export type EdgeConfig = ConfigOf<typeof settings>;

/** @throws ConfigError */
export const loadEdgeConfig = (env: Env): EdgeConfig => loadConfig(settings, env);
