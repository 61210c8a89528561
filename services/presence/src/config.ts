import { baseSettings, mongoUrl, natsUrl, redisUrl } from '@godwit/runtime/base-config';
import { duration, integer, loadConfig, nodes, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  ...baseSettings({ service: 'presence', grpcPort: 7150, httpPort: 9150 }),
  mongoUrl,
  natsUrl,
  redisUrl,
  accountNodes: nodes('GODWIT_ACCOUNT_NODES', 'account-0=127.0.0.1:7160'),
  groupNodes: nodes('GODWIT_GROUP_NODES', 'group-0=127.0.0.1:7140'),
  /** An edge that is silent for longer is dead. */
  lease: duration('GODWIT_PRESENCE_LEASE', '15s'),
  grace: duration('GODWIT_PRESENCE_GRACE', '3s'),
  sweepEvery: duration('GODWIT_PRESENCE_SWEEP', '2s'),
  /** How long an edge has to report its sockets on a new stream. */
  settle: duration('GODWIT_PRESENCE_SETTLE', '10s'),
  refreshEvery: duration('GODWIT_PRESENCE_REFRESH', '60s'),
  lastSeenEvery: duration('GODWIT_PRESENCE_LAST_SEEN_INTERVAL', '1s'),
  maxSubscriptions: integer('GODWIT_PRESENCE_MAX_SUBSCRIPTIONS', { min: 1, max: 100_000, fallback: 1_000 }),
  updatesPerSecond: integer('GODWIT_PRESENCE_UPDATES_PER_SECOND', { min: 10, max: 1_000_000, fallback: 5_000 }),
  cache: {
    relations: duration('GODWIT_PRESENCE_RELATIONS_CACHE', '30s'),
    members: duration('GODWIT_PRESENCE_MEMBERS_CACHE', '30s'),
  },
  redisTimeout: duration('GODWIT_PRESENCE_REDIS_TIMEOUT', '500ms'),
};

export type PresenceConfig = ConfigOf<typeof settings>;

export const loadPresenceConfig = (env: Env): PresenceConfig => loadConfig(settings, env);
