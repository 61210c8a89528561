import { randomUUID } from 'node:crypto';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { ensureIndexes } from '@godwit/mongo/collection';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { PresenceServiceService } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import { connectRedis } from '@godwit/redis/connect';
import { keyspace } from '@godwit/redis/keys';
import { connectNodes } from '@godwit/rpc/node-pool';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { PresenceConfig } from './config.js';
import type { ReadMembers, ReadRelations } from './domain/ports.js';
import { createGetPresence } from './grpc/get-presence.js';
import { createLastSeenStore, lastSeenCollection } from './mongo/last-seen.js';
import { followFacts } from './nats/facts.js';
import { createReadMembers } from './peers/members.js';
import { createReadRelations } from './peers/relations.js';
import { createPresence, type Presence } from './presence.js';
import { RedisRegistry, USER_TTL_MS } from './redis/redis-registry.js';
import { createObserver, type Observer } from './telemetry.js';
import { startUpkeep } from './upkeep.js';

export interface PresenceService extends Presence {
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** What tests put in the place of the real thing. */
export interface PresenceOverrides {
  readonly clock?: Clock;
  readonly readRelations?: ReadRelations;
  readonly readMembers?: ReadMembers;
  /** Publishes the driver's command events. */
  readonly onMongo?: (mongo: Mongo) => void;
}

interface Parts {
  readonly config: PresenceConfig;
  readonly life: Lifecycle;
  readonly metrics: Metrics;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly overrides: PresenceOverrides;
}

export const startPresence = async (
  config: PresenceConfig,
  life: Lifecycle,
  overrides: PresenceOverrides = {},
): Promise<PresenceService> => {
  const metrics = createMetrics({ service: 'presence', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const observer = createObserver(metrics, life.logger);
  const parts: Parts = { config, life, metrics, observer, clock: overrides.clock ?? systemClock, overrides };
  const mongo = await openMongo(parts);
  const bus = openBus(parts);
  const registry = openRegistry(parts);
  const presence = createPresence({
    clock: parts.clock,
    config,
    logger: life.logger,
    registry,
    lastSeenStore: createLastSeenStore(mongo.db),
    bus,
    readRelations: overrides.readRelations ?? callAccount(parts),
    readMembers: overrides.readMembers ?? callGroup(parts),
    observer,
  });
  life.onStop('close', 'pending writes', () => presence.stop());
  followFacts(bus, presence);
  observer.observe(presence);
  const grpc = await startRpcServer({
    listen: config.grpcListen,
    services: [
      serve(PresenceServiceService, {
        link: (stream) => {
          presence.links.accept(stream);
        },
        getPresence: createGetPresence(presence.hub),
      }),
    ],
    auth: { fleetToken: config.fleetToken },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  runUpkeep(parts, { presence, registry, bus });
  health.started();
  return { ...presence, grpcPort: grpc.port, httpPort: health.port };
};

const openMongo = async ({ config, life, metrics, overrides }: Parts): Promise<Mongo> => {
  const mongo = await connectMongo({
    url: config.mongoUrl,
    database: config.namespace,
    appName: config.node,
    logger: life.logger,
    metrics,
    signal: life.signal,
    monitorCommands: overrides.onMongo !== undefined,
  });
  life.onStop('close', 'mongo', () => mongo.close());
  overrides.onMongo?.(mongo);
  await ensureIndexes(mongo.db, [lastSeenCollection]);
  return mongo;
};

const openBus = ({ config, life, metrics }: Parts): Bus => {
  const { natsUrl: url, namespace, node: name } = config;
  const bus = connectBus({ url, namespace, name, logger: life.logger, metrics });
  life.onStop('close', 'bus', () => bus.close());
  return bus;
};

const openRegistry = ({ config, life, metrics, clock }: Parts): RedisRegistry => {
  const store = connectRedis({ url: config.redisUrl, logger: life.logger, metrics, commandMs: config.redisTimeout });
  life.onStop('close', 'redis', () => store.close());
  return new RedisRegistry({
    store,
    keys: keyspace(config.namespace, 'presence'),
    clock,
    self: config.node,
    incarnation: randomUUID(),
    leaseMs: config.lease,
  });
};

const callAccount = ({ config, life, metrics }: Parts): ReadRelations => {
  const { accountNodes: nodes, node: self, fleetToken, tls } = config;
  const account = connectNodes(AccountServiceService, { nodes, self, fleetToken, tls, logger: life.logger, metrics });
  life.onStop('close', 'account', () => {
    account.close();
  });
  return createReadRelations(account);
};

const callGroup = ({ config, life, metrics }: Parts): ReadMembers => {
  const { groupNodes: nodes, node: self, fleetToken, tls } = config;
  const group = connectNodes(GroupServiceService, { nodes, self, fleetToken, tls, logger: life.logger, metrics });
  life.onStop('close', 'group', () => {
    group.close();
  });
  return createReadMembers(group);
};

interface Running {
  readonly presence: Presence;
  readonly registry: RedisRegistry;
  readonly bus: Bus;
}

const runUpkeep = ({ clock, config, life }: Parts, { presence, registry, bus }: Running): void => {
  const running = startUpkeep({
    ...presence,
    clock,
    registry,
    isBusUp: () => bus.connected,
    sweepEveryMs: config.sweepEvery,
    refreshEveryMs: config.refreshEvery,
    rewriteEveryMs: USER_TTL_MS / 3,
    settleMs: config.settle,
    signal: life.signal,
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
