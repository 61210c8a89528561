import { namespace, natsStreamReplicas, natsUrl, logLevel } from '@godwit/runtime/base-config';
import { duration, loadConfig, secret, text, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  namespace,
  natsUrl,
  natsStreamReplicas,
  logLevel,
  /** The folder of the files: `facts/dt=YYYY-MM-DD/*.parquet` in it. */
  dir: text('GODWIT_ANALYTICS_DIR', '.godwit/analytics'),
  /** Of the pseudonyms: who has it can tell whose rows are whose. */
  key: secret('GODWIT_ANALYTICS_KEY', 'sample-analytics-key-for-development-only'),
  /** Between two looks at the stream: how late facts are, and how many files there are. */
  intervalMs: duration('GODWIT_ANALYTICS_INTERVAL', '1m'),
};

export type AnalyticsConfig = ConfigOf<typeof settings>;

/** @throws ConfigError */
export const loadAnalyticsConfig = (env: Env): AnalyticsConfig => loadConfig(settings, env);
