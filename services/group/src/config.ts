import { baseSettings, mongoUrl, natsStreamReplicas, natsUrl } from '@godwit/runtime/base-config';
import { integer, loadConfig, nodes, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  ...baseSettings({ service: 'group', grpcPort: 7108, httpPort: 9108 }),
  mongoUrl,
  natsUrl,
  natsStreamReplicas,
  routers: nodes('GODWIT_ROUTER_NODES'),
  account: nodes('GODWIT_ACCOUNT_NODES'),
  limits: {
    maxMembers: integer('GODWIT_GROUP_MAX_MEMBERS', { min: 2, max: 100_000, fallback: 20_000 }),
    // Some 300 bytes each.
    maxCachedMembers: integer('GODWIT_GROUP_CACHED_MEMBERS', { min: 1_000, fallback: 1_000_000 }),
  },
};

export type GroupConfig = ConfigOf<typeof settings>;

export const loadGroupConfig = (env: Env): GroupConfig => loadConfig(settings, env);
