import { baseSettings, mongoUrl, natsStreamReplicas, natsUrl } from '@godwit/runtime/base-config';
import {
  duration,
  flag,
  isProduction,
  loadConfig,
  nodes,
  type ConfigOf,
  type Env,
  type Setting,
} from '@godwit/runtime/config';

const LOG_PROVIDER = 'GODWIT_PUSH_LOG_PROVIDER';

const logProvider: Setting<boolean> = {
  ...flag(LOG_PROVIDER),
  read: (env) => flag(LOG_PROVIDER, !isProduction(env)).read(env),
};

const settings = {
  ...baseSettings({ service: 'push', grpcPort: 7111, httpPort: 9111 }),
  mongoUrl,
  natsUrl,
  natsStreamReplicas,
  accounts: nodes('GODWIT_ACCOUNT_NODES', 'account-0=127.0.0.1:7109'),
  sessions: nodes('GODWIT_SESSION_NODES', 'session-0=127.0.0.1:7106,session-1=127.0.0.1:7107'),
  groups: nodes('GODWIT_GROUP_NODES', 'group-0=127.0.0.1:7108'),
  /** How long a wake waits for newer ones of its user and conversation. */
  windowMs: duration('GODWIT_PUSH_WINDOW', '1s'),
  /** Whether tokens of the provider LOG are served: by a line in the log. */
  logProvider,
};

export type PushConfig = ConfigOf<typeof settings>;

export const loadPushConfig = (env: Env): PushConfig => loadConfig(settings, env);
