import { connectBus, type Bus } from '@godwit/bus/bus';
import { ACCOUNT, EVENTS, PUSH } from '@godwit/bus/streams';
import { EventRecorder } from '@godwit/events/event-recorder';
import { ensureIndexes } from '@godwit/mongo/collection';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { PushServiceService } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodeAddress } from '@godwit/ring/node-address';
import { accountApiKeyVerifier } from '@godwit/rpc/account-api-key-verifier';
import type { Definition } from '@godwit/rpc/method';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { systemClock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { pushOutcomes } from '@godwit/telemetry/catalogue/services';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { PushConfig } from './config.js';
import { followRevocations } from './consumers/revocations.js';
import { consumeWakes, MAX_DELIVERIES } from './consumers/wakes.js';
import { WakeCollapser } from './domain/collapse-wakes.js';
import { dispatchWake } from './domain/dispatch-wake.js';
import type { ProviderName } from './domain/model.js';
import type { Providers, PushProvider } from './domain/ports.js';
import { SentMarks } from './domain/sent-marks.js';
import { createDeviceDirectory, createMutes, createPresenceOfDevices } from './grpc/peers.js';
import { PUSH_SCOPES, pushHandlers } from './grpc/push-handlers.js';
import { PUSH_COLLECTIONS } from './mongo/collections.js';
import { createOutcomeLog } from './mongo/outcome-log.js';
import { createTokenStore } from './mongo/token-store.js';
import { withPushFacts } from './nats/push-facts.js';
import { createLogProvider } from './providers/log-provider.js';
import { timeProvider } from './providers/timed-provider.js';

/** What tests put in place of the real thing. */
export interface PushOverrides {
  readonly providers?: ReadonlyMap<ProviderName, PushProvider>;
  readonly mongo?: Mongo;
}

export interface RunningPush {
  readonly grpcPort: number;
  readonly httpPort: number;
}

export const startPush = async (
  config: PushConfig,
  life: Lifecycle,
  overrides: PushOverrides = {},
): Promise<RunningPush> => {
  const { logger, signal } = life;
  const metrics = createMetrics({ service: 'push', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const mongo = overrides.mongo ?? (await openMongo(config, life, metrics));
  health.check('mongo', () => mongo.ping());
  await ensureIndexes(mongo.db, PUSH_COLLECTIONS);

  const tokens = createTokenStore(mongo.db, systemClock);
  const outcomes = createOutcomeLog(mongo.db, logger);
  life.onStop('drain', 'outcomes', () => outcomes.drained());
  // Not part of readiness: without NATS no wakes come, but tokens are registered as before.
  const bus = openBus(config, life, metrics);
  const recorder = new EventRecorder({ bus, service: 'push', origin: config.node, metrics });
  life.onStop('close', 'events', () => recorder.stop());
  const connect = connector(config, life, metrics);
  const accounts = connect(AccountServiceService, config.accounts);
  const collapser = new WakeCollapser({
    windowMs: config.windowMs,
    dispatch: dispatchWake({
      clock: systemClock,
      tokens,
      outcomes: withPushFacts(outcomes, recorder),
      providers: openProviders(overrides.providers ?? defaultProviders(config, life), metrics),
      devices: createDeviceDirectory(accounts),
      presence: createPresenceOfDevices(connect(SessionServiceService, config.sessions)),
      mutes: createMutes(connect(GroupServiceService, config.groups), logger),
      marks: new SentMarks(),
      maxDeliveries: MAX_DELIVERIES,
      observe: (provider, outcome) => {
        metrics.counter(pushOutcomes).labels({ provider, outcome }).inc();
      },
    }),
  });
  followRevocations(bus, tokens, logger);
  const consumption = consumeWakes({ bus, collapser, logger, signal });
  life.onStop('drain', 'wakes', async () => {
    collapser.drain();
    await consumption.done;
  });

  const { port } = await startRpcServer({
    listen: config.grpcListen,
    services: [serve(PushServiceService, pushHandlers({ tokens, outcomes }), PUSH_SCOPES)],
    auth: { fleetToken: config.fleetToken, verifyApiKey: accountApiKeyVerifier(accounts) },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  health.started();
  return { grpcPort: port, httpPort: health.port };
};

const openMongo = async (config: PushConfig, life: Lifecycle, metrics: Metrics): Promise<Mongo> => {
  const mongo = await connectMongo({
    url: config.mongoUrl,
    database: config.namespace,
    appName: config.node,
    logger: life.logger,
    metrics,
    signal: life.signal,
  });
  life.onStop('close', 'mongo', () => mongo.close());
  return mongo;
};

/** Connects to the replicas of a peer until the service stops. */
const connector =
  (config: PushConfig, life: Lifecycle, metrics: Metrics) =>
  <D extends Definition>(definition: D, nodes: readonly NodeAddress[]): NodePool<D> => {
    const { node, fleetToken, tls } = config;
    const pool = connectNodes(definition, { nodes, self: node, fleetToken, tls, logger: life.logger, metrics });
    life.onStop('close', 'channels', () => {
      pool.close();
    });
    return pool;
  };

const openBus = (config: PushConfig, life: Lifecycle, metrics: Metrics): Bus => {
  const { natsUrl: url, namespace, node: name, natsStreamReplicas: streamReplicas } = config;
  const streams = [PUSH, ACCOUNT, EVENTS];
  const bus = connectBus({ url, namespace, name, logger: life.logger, metrics, streams, streamReplicas });
  life.onStop('close', 'bus', () => bus.close());
  return bus;
};

/** APNs, FCM, WNS and Web Push come here, each configured by its own settings. */
const defaultProviders = ({ logProvider }: PushConfig, { logger }: Lifecycle): Providers =>
  new Map(logProvider ? [['log', createLogProvider(logger)] as const] : []);

const openProviders = (providers: Providers, metrics: Metrics): Providers => {
  // There with 0: a rate doesn't see the event that a series begins with.
  for (const provider of providers.keys()) {
    for (const outcome of ['SENT', 'FAILED'] as const) metrics.counter(pushOutcomes).labels({ provider, outcome });
  }
  return new Map([...providers].map(([name, provider]) => [name, timeProvider(name, provider, metrics)]));
};
