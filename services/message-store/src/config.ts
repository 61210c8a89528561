import { baseSettings, mongoUrl } from '@godwit/runtime/base-config';
import { duration, integer, loadConfig, nodes, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  ...baseSettings({ service: 'message-store', grpcPort: 7104, httpPort: 9104 }),
  mongoUrl,
  /** The replicas of this service, this one among them: whose conversations are this one's to reap. */
  replicas: nodes('GODWIT_MESSAGE_STORE_NODES', 'message-store-0=127.0.0.1:7104'),
  groups: nodes('GODWIT_GROUP_NODES', 'group-0=127.0.0.1:7108'),
  accounts: nodes('GODWIT_ACCOUNT_NODES', 'account-0=127.0.0.1:7109'),
  append: {
    lanes: integer('GODWIT_STORE_LANES', { min: 1, max: 64, fallback: 1 }),
    /** Heads kept in memory, some 200 bytes each. */
    cachedHeads: integer('GODWIT_STORE_CACHED_HEADS', { min: 1_000, max: 10_000_000, fallback: 100_000 }),
  },
  reads: {
    /** Reading calls that are worked on at a time, each with a connection to MongoDB or two of the 64. */
    running: integer('GODWIT_STORE_MAX_READS', { min: 1, max: 1_024, fallback: 24 }),
    /** Those that wait for their turn; what their callers have given up on leaves. */
    waiting: integer('GODWIT_STORE_MAX_WAITING_READS', { min: 1, max: 1_000_000, fallback: 10_000 }),
  },
  cursors: { mergeMs: duration('GODWIT_STORE_CURSOR_MERGE', '200ms') },
  reaper: {
    /** From a moved cursor until its conversation is looked at. */
    delayMs: duration('GODWIT_REAPER_DELAY', '5s'),
    /** Pause between two visits, of up to 64 conversations each; longer where they take longer. */
    paceMs: duration('GODWIT_REAPER_PACE', '50ms'),
    /** Pause between two rounds through all conversations with payloads. */
    roundMs: duration('GODWIT_REAPER_ROUND', '60s'),
  },
};

export type MessageStoreConfig = ConfigOf<typeof settings>;

/** @throws ConfigError */
export const loadMessageStoreConfig = (env: Env): MessageStoreConfig => loadConfig(settings, env);
