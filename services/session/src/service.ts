import { randomUUID } from 'node:crypto';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { connectRedis, type RedisStore } from '@godwit/redis/connect';
import { keyspace } from '@godwit/redis/keys';
import { HashRing } from '@godwit/ring/hash-ring';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { sleep } from '@godwit/runtime/backoff';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { SessionConfig } from './config.js';
import { SessionDirectory } from './domain/session-directory.js';
import { createCloseDevices } from './grpc/close-devices.js';
import { LinkedEdges } from './grpc/edge-links.js';
import { createLink } from './grpc/link.js';
import { createLookup } from './grpc/lookup.js';
import { RedisArchive } from './redis/redis-archive.js';
import { createEvents, observeDirectory, countRewrites } from './telemetry.js';
import { startUpkeep } from './upkeep.js';

export interface SessionService {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly directory: SessionDirectory;
}

/** What tests put in the place of the real thing. */
export interface SessionOverrides {
  readonly clock?: Clock;
}

interface Parts {
  readonly config: SessionConfig;
  readonly life: Lifecycle;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export const startSession = async (
  config: SessionConfig,
  life: Lifecycle,
  { clock = systemClock }: SessionOverrides = {},
): Promise<SessionService> => {
  const metrics = createMetrics({ service: 'session', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const parts: Parts = { config, life, metrics, clock };
  const { redisUrl: url, redis } = config;
  const store = connectRedis({ url, logger: life.logger, metrics, commandMs: redis.commandTimeout });
  life.onStop('close', 'redis', () => store.close());
  const archive = createArchive(parts, store);
  const links = new LinkedEdges();
  const directory = createDirectory(parts, archive, links);
  observeDirectory(metrics, { directory, links });
  await untilAvailable(store, life.signal);
  const grpc = await startRpcServer({
    listen: config.grpcListen,
    services: [
      serve(SessionServiceService, {
        link: createLink({ directory, links, logger: life.logger }),
        lookup: createLookup(directory),
        closeDevices: createCloseDevices(directory),
      }),
    ],
    auth: { fleetToken: config.fleetToken },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  runUpkeep(parts, directory, archive);
  health.started();
  return { grpcPort: grpc.port, httpPort: health.port, directory };
};

// Without Redis a replica starts too, but it then knows nobody until the edges have registered again: worth a moment.
const REDIS_WAIT_MS = 2_000;
const REDIS_POLL_MS = 20;

const untilAvailable = async (store: RedisStore, signal: AbortSignal): Promise<void> => {
  const endsAt = performance.now() + REDIS_WAIT_MS;
  while (!store.available && performance.now() < endsAt && (await sleep(REDIS_POLL_MS, signal)));
};

const createArchive = ({ config, clock }: Parts, store: RedisStore): RedisArchive =>
  new RedisArchive({
    store,
    keys: keyspace(config.namespace, 'session'),
    clock,
    self: config.node,
    incarnation: randomUUID(),
    leaseMs: config.lease,
    ttlMs: config.redis.ttl,
  });

const createDirectory = (
  { config, life, metrics, clock }: Parts,
  archive: RedisArchive,
  links: LinkedEdges,
): SessionDirectory => {
  const ring = new HashRing(config.replicas.map(({ name }) => name));
  const directory = new SessionDirectory({
    self: config.node,
    // Without a list of replicas there is but this one.
    ownerOf: (userId) => ring.owner(userId) ?? config.node,
    clock,
    leaseMs: config.lease,
    archive,
    links,
    events: createEvents(metrics, life.logger),
  });
  life.onStop('close', 'write-behind', () => directory.stop());
  return directory;
};

const runUpkeep = ({ config, life, metrics }: Parts, directory: SessionDirectory, archive: RedisArchive): void => {
  const countRewrite = countRewrites(metrics);
  const running = startUpkeep({
    directory,
    archive,
    checkEveryMs: config.redis.checkEvery,
    refreshEveryMs: config.redis.ttl / 3,
    rewritesPerSecond: config.redis.rewritesPerSecond,
    signal: life.signal,
    onRewrite: (why) => {
      countRewrite(why);
      if (why !== 'refresh')
        life.logger.warn({ why, sessions: directory.sessions }, 'writing all sessions to Redis again');
    },
    onError: (error) => {
      life.logger.error({ err: error }, 'upkeep failed');
    },
  });
  running.catch((error: unknown) => {
    life.fail(error);
  });
  life.onStop('drain', 'upkeep', async () => {
    await running;
  });
};
