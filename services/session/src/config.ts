import { baseSettings, redisUrl } from '@godwit/runtime/base-config';
import { duration, integer, loadConfig, nodes, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  ...baseSettings({ service: 'session', grpcPort: 7130, httpPort: 9130 }),
  redisUrl,
  /** All replicas, this one among them: who owns which user. */
  replicas: nodes('GODWIT_SESSION_NODES', 'session-0=127.0.0.1:7130'),
  lease: duration('GODWIT_SESSION_LEASE', '15s'),
  redis: {
    /** Sessions are written again in a third of this. */
    ttl: duration('GODWIT_SESSION_REDIS_TTL', '1h'),
    commandTimeout: duration('GODWIT_SESSION_REDIS_TIMEOUT', '500ms'),
    checkEvery: duration('GODWIT_SESSION_REDIS_CHECK', '2s'),
    /** Pace of writing all sessions again. */
    rewritesPerSecond: integer('GODWIT_SESSION_REWRITES_PER_SECOND', { min: 10, max: 1_000_000, fallback: 20_000 }),
  },
};

export type SessionConfig = ConfigOf<typeof settings>;

export const loadSessionConfig = (env: Env): SessionConfig => loadConfig(settings, env);
