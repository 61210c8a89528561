import {
  choice,
  fraction,
  hostPort,
  integer,
  optional,
  rotatingSecret,
  setting,
  text,
  url,
  type ConfigOf,
  type Env,
  type Setting,
} from './config.js';
import { z } from 'zod';

/** Files of this process's certificate and key and of the authority that signs the fleet's (PEM). */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const TLS_VARIABLES = ['GODWIT_TLS_CERT', 'GODWIT_TLS_KEY', 'GODWIT_TLS_CA'] as const;

/** All three or none: a certificate without an authority would be TLS without knowing the peer. */
export const tlsFiles: Setting<TlsFiles | undefined> = {
  name: TLS_VARIABLES.join(', '),
  secret: false,
  read: (env: Env) => {
    const [cert, key, ca] = TLS_VARIABLES.map((name) => env[name] ?? '');
    if (!cert && !key && !ca) return undefined;
    if (!cert || !key || !ca) throw new RangeError('belong together: set all three (mTLS on) or none');
    return { cert, key, ca };
  },
};

/** What a process is of, as whoever built it has said: a release, and the commit it was made from. */
export interface Build {
  readonly version: string;
  readonly revision: string;
}

const NAMESPACE_PATTERN = /^[a-z][a-z0-9_-]{0,37}$/;

/** Database name, Redis key prefix, subject and stream prefix. */
export const namespace = setting(
  'GODWIT_NAMESPACE',
  z.string().regex(NAMESPACE_PATTERN, { error: 'must be 1 to 38 of a-z, 0-9, _ and -, starting with a letter' }),
  'godwit',
);
export const logLevel = choice(
  'GODWIT_LOG_LEVEL',
  ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  'info',
);

export interface BaseDefaults {
  /** Name of the service, e.g. `router`; its first replica is `router-0`. */
  readonly service: string;
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** The variables that every service reads. Spread them into the settings of the service. */
export const baseSettings = ({ service, grpcPort, httpPort }: BaseDefaults) => ({
  environment: choice('GODWIT_ENV', ['development', 'production'], 'development'),
  node: setting(
    'GODWIT_NODE',
    z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, { error: 'must be a DNS label like router-0' }),
    `${service}-0`,
  ),
  build: { version: text('GODWIT_VERSION', '0.0.0'), revision: text('GODWIT_REVISION', 'unknown') },
  namespace,
  grpcListen: hostPort('GODWIT_GRPC_LISTEN', `127.0.0.1:${String(grpcPort)}`),
  httpListen: hostPort('GODWIT_HTTP_LISTEN', `127.0.0.1:${String(httpPort)}`),
  /** With which members of the fleet call each other where they have no certificates. */
  fleetToken: rotatingSecret('GODWIT_FLEET_TOKEN', 'sample-fleet-token-for-development-only'),
  tls: tlsFiles,
  /** On when one of the endpoints is set (docs/traces.md); OpenTelemetry reads the other OTEL_* variables itself. */
  tracing: {
    endpoint: optional(url('OTEL_EXPORTER_OTLP_ENDPOINT', ['http', 'https'])),
    tracesEndpoint: optional(url('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', ['http', 'https'])),
    /** The share of traces that are kept whole. */
    ratio: fraction('GODWIT_TRACE_RATIO', 0.01),
    /** A span that took longer is kept. */
    slowMs: integer('GODWIT_TRACE_SLOW_MS', { min: 1, fallback: 500 }),
  },
  logLevel,
});

export type BaseConfig = ConfigOf<ReturnType<typeof baseSettings>>;

/** The stores and the bus, for the services that use them. */
export const mongoUrl = url(
  'GODWIT_MONGO_URL',
  ['mongodb', 'mongodb+srv'],
  'mongodb://127.0.0.1:27117/?replicaSet=rs0',
);
export const natsUrl = url('GODWIT_NATS_URL', ['nats', 'tls'], 'nats://127.0.0.1:4322');
/** Copies of a stream that a service makes: 3 where NATS is a cluster. */
export const natsStreamReplicas = integer('GODWIT_NATS_STREAM_REPLICAS', { min: 1, max: 5, fallback: 1 });
export const redisUrl = url(
  'GODWIT_REDIS_URL',
  ['redis', 'rediss'],
  'redis://127.0.0.1:6479,127.0.0.1:6480,127.0.0.1:6481',
);
