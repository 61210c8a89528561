import type { Db } from 'mongodb';
import { newId } from '@godwit/ids/id';
import { connectMongo } from '@godwit/mongo/connect';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { ApiKeyOwner } from '@godwit/rpc/authenticate';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { watchMongoCommands, type MongoCommandWatch } from '@godwit/testkit/mongo-command-watcher';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { loadGroupConfig } from '../../src/config.js';
import { startGroup, type GroupOverrides } from '../../src/service.js';
import { MemoryLog } from './memory-log.js';
import { MemoryUsers } from './memory-users.js';

export interface GroupUnderTest {
  readonly pool: NodePool<GroupServiceService>;
  readonly db: Db;
  readonly log: MemoryLog;
  readonly users: MemoryUsers;
  readonly watch: MongoCommandWatch;
  readonly httpPort: number;
  readonly told: [string, number][];
  /** Another replica over the same database and log. */
  another(): Promise<NodePool<GroupServiceService>>;
  stop(): Promise<void>;
}

const FLEET_TOKEN = 'fleet-token-of-this-test';

export const poolTo = (port: number): NodePool<GroupServiceService> =>
  connectNodes(GroupServiceService, {
    nodes: [{ name: 'group-0', host: '127.0.0.1', port }],
    self: 'edge-0',
    fleetToken: [FLEET_TOKEN],
    logger: silentLogger,
    metrics: createMetrics({ service: 'test', node: 'test-0', processMetrics: false }),
  });

export const groupEnv = (namespace: string): Record<string, string> => ({
  GODWIT_NAMESPACE: namespace,
  GODWIT_FLEET_TOKEN: FLEET_TOKEN,
  GODWIT_GRPC_LISTEN: '127.0.0.1:0',
  GODWIT_HTTP_LISTEN: '127.0.0.1:0',
  GODWIT_MONGO_URL: testServers().mongoUrl,
  GODWIT_NATS_URL: testServers().natsUrl,
  GODWIT_ROUTER_NODES: 'router-0=127.0.0.1:1',
  GODWIT_ACCOUNT_NODES: 'account-0=127.0.0.1:1',
});

const API_KEYS: Readonly<Record<string, ApiKeyOwner>> = {
  'key-groups': { callerId: 'team', scopes: ['groups'] },
  'key-other': { callerId: 'team', scopes: ['messages'] },
};

/** The service over real gRPC and a real MongoDB; log and accounts in memory. */
export const startGroupUnderTest = async (
  overrides: GroupOverrides = {},
  env: Readonly<Record<string, string>> = {},
): Promise<GroupUnderTest> => {
  const namespace = uniqueNamespace();
  const log = new MemoryLog({ gap: 3 });
  const users = new MemoryUsers();
  const told: [string, number][] = [];
  const life = new Lifecycle({ logger: silentLogger });
  const mongo = await connectMongo({
    url: testServers().mongoUrl,
    database: namespace,
    appName: 'group-test',
    logger: silentLogger,
    monitorCommands: true,
  });
  life.onStop('close', 'mongo', async () => {
    await mongo.db.dropDatabase();
    await mongo.close();
  });
  const watch = watchMongoCommands(mongo.client);
  const pools: NodePool<GroupServiceService>[] = [];
  const start = async () => {
    const { grpcPort, httpPort } = await startGroup(loadGroupConfig({ ...groupEnv(namespace), ...env }), life, {
      mongo,
      log,
      users,
      facts: { changed: (id, version) => void told.push([id, version]) },
      verifyApiKey: (key) => Promise.resolve(API_KEYS[key]),
      ...overrides,
    });
    const pool = poolTo(grpcPort);
    pools.push(pool);
    return { pool, httpPort };
  };
  const first = await start();
  return {
    ...first,
    db: mongo.db,
    log,
    users,
    watch,
    told,
    another: async () => (await start()).pool,
    stop: async () => {
      for (const pool of pools) pool.close();
      await life.stop();
    },
  };
};

/** `count` new user ids, sorted. */
export const people = (count: number): string[] => Array.from({ length: count }, newId).sort();

export interface Told {
  readonly code: number;
  readonly reason: string;
  readonly field: string | undefined;
}

/** What a call was refused with. */
export const refusalOf = async (call: Promise<unknown>): Promise<Told> => {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  const info = errorInfo(outcome);
  if (info === undefined) throw new Error('the call was not refused with a typed error', { cause: outcome });
  return { code: info.code, reason: info.reason, field: info.field };
};
