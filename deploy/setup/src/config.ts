import { mongoUrl, namespace, natsStreamReplicas, natsUrl, redisUrl } from '@godwit/runtime/base-config';
import { flag, integer, loadConfig, nodes, optional, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  namespace,
  mongoUrl,
  natsUrl,
  natsStreamReplicas,
  redisUrl,
  /** Members of the replica set to initiate, `mongo-0=mongo-0.mongo.godwit-data.svc:27017,...`; unset: it is there. */
  replicaSetMembers: optional(nodes('GODWIT_SETUP_MONGO_MEMBERS')),
  /** Whether the servers in GODWIT_REDIS_URL are to be made one cluster. */
  formRedisCluster: flag('GODWIT_SETUP_REDIS_CLUSTER', false),
  /** How many of these servers get slots; the others copy one each. */
  redisMasters: integer('GODWIT_SETUP_REDIS_MASTERS', { min: 1, max: 1_000, fallback: 3 }),
  /** Chunks that an empty sharded collection is split into; a power of two of the 32 letters ids start with. */
  chunks: integer('GODWIT_SETUP_CHUNKS', { min: 1, max: 1_024, fallback: 64 }),
};

export type SetupConfig = ConfigOf<typeof settings>;

/** @throws ConfigError */
export const loadSetupConfig = (env: Env): SetupConfig => loadConfig(settings, env);
