import { connectBus } from '@godwit/bus/bus';
import { GROUP } from '@godwit/bus/streams';
import { ensureIndexes } from '@godwit/mongo/collection';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { RouterServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { accountApiKeyVerifier } from '@godwit/rpc/account-api-key-verifier';
import type { ApiKeyOwner } from '@godwit/rpc/authenticate';
import { connectNodes } from '@godwit/rpc/node-pool';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { systemClock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { groupCatchUps, groupRepeatedDecisions } from '@godwit/telemetry/catalogue/services';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { GroupConfig } from './config.js';
import { createGroupDeps, type GroupPorts } from './domain/deps.js';
import type { MembershipFacts, Observations } from './domain/ports.js';
import { createFleetHandlers } from './grpc/fleet-handlers.js';
import { createUserHandlers } from './grpc/group-handlers.js';
import { COLLECTIONS } from './mongo/collections.js';
import { mongoInvites } from './mongo/mongo-invites.js';
import { mongoMutes, mongoProjections, mongoUserConversations } from './mongo/mongo-projections.js';
import { busMembershipFacts } from './nats/membership-facts.js';
import { accountUsers } from './peers/account-users.js';
import { routerLog } from './peers/router-log.js';

/** What tests may put in the place of the real thing. */
export interface GroupOverrides extends Partial<GroupPorts> {
  readonly mongo?: Mongo;
  readonly verifyApiKey?: (key: string) => Promise<ApiKeyOwner | undefined>;
}

export interface GroupService {
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** The composition root: starts the service and registers with `life` how it stops. */
export const startGroup = async (
  config: GroupConfig,
  life: Lifecycle,
  overrides: GroupOverrides = {},
): Promise<GroupService> => {
  const metrics = createMetrics({ service: 'group', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const mongo = overrides.mongo ?? (await openMongo(config, { life, metrics }));
  await ensureIndexes(mongo.db, COLLECTIONS);
  health.check('mongo', () => mongo.ping());
  const peers = openPeers(config, { life, metrics });
  const deps = createGroupDeps(
    {
      projections: mongoProjections(mongo.db),
      userConversations: mongoUserConversations(mongo.db),
      mutes: mongoMutes(mongo.db),
      invites: mongoInvites(mongo.db),
      log: routerLog(peers.routers),
      users: accountUsers(peers.account),
      facts: overrides.facts ?? openFacts(config, { life, metrics }),
      clock: systemClock,
      observations: countObservations(metrics),
      ...overrides,
    },
    config.limits,
  );
  const handlers = { ...createUserHandlers(deps), ...createFleetHandlers(deps) };
  const { port } = await startRpcServer({
    listen: config.grpcListen,
    services: [serve(GroupServiceService, handlers, API_KEY_SCOPES)],
    auth: {
      fleetToken: config.fleetToken,
      verifyApiKey: overrides.verifyApiKey ?? accountApiKeyVerifier(peers.account),
    },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  health.started();
  return { grpcPort: port, httpPort: health.port };
};

const SCOPE = 'groups';

/** What internal teams may call for a user; the rest is the fleet's. */
const API_KEY_SCOPES = {
  createGroup: SCOPE,
  getGroup: SCOPE,
  updateGroup: SCOPE,
  addMembers: SCOPE,
  removeMembers: SCOPE,
  leaveGroup: SCOPE,
  grantAdmin: SCOPE,
  revokeAdmin: SCOPE,
  transferOwnership: SCOPE,
  createInvite: SCOPE,
  revokeInvite: SCOPE,
  joinByInvite: SCOPE,
  listMembers: SCOPE,
  listConversations: SCOPE,
  muteConversation: SCOPE,
};

const openMongo = async (config: GroupConfig, { life, metrics }: Surroundings): Promise<Mongo> => {
  const { mongoUrl: url, namespace: database, node: appName } = config;
  const mongo = await connectMongo({ url, database, appName, logger: life.logger, metrics, signal: life.signal });
  life.onStop('close', 'mongo', () => mongo.close());
  return mongo;
};

interface Surroundings {
  readonly life: Lifecycle;
  readonly metrics: Metrics;
}

const openPeers = (config: GroupConfig, { life, metrics }: Surroundings) => {
  const { node: self, fleetToken, tls } = config;
  const common = { self, fleetToken, tls, logger: life.logger, metrics };
  const routers = connectNodes(RouterServiceService, { ...common, nodes: config.routers });
  const account = connectNodes(AccountServiceService, { ...common, nodes: config.account });
  life.onStop('close', 'peers', () => {
    routers.close();
    account.close();
  });
  return { routers, account };
};

const countObservations = (metrics: Metrics): Observations => {
  const catchUps = metrics.counter(groupCatchUps);
  const repeats = metrics.counter(groupRepeatedDecisions);
  return { caughtUp: () => catchUps.inc(), decidedAgain: () => repeats.inc() };
};

const openFacts = (config: GroupConfig, { life, metrics }: Surroundings): MembershipFacts => {
  const { natsUrl: url, namespace, node: name, natsStreamReplicas: streamReplicas } = config;
  const bus = connectBus({ url, namespace, name, logger: life.logger, metrics, streams: [GROUP], streamReplicas });
  life.onStop('close', 'bus', () => bus.close());
  return busMembershipFacts(bus, life.logger);
};
