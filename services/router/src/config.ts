import { baseSettings, natsStreamReplicas, natsUrl } from '@godwit/runtime/base-config';
import { duration, integer, loadConfig, nodes, type ConfigOf, type Env } from '@godwit/runtime/config';

const settings = {
  ...baseSettings({ service: 'router', grpcPort: 7110, httpPort: 9110 }),
  natsUrl,
  natsStreamReplicas,
  peers: {
    messageStore: nodes('GODWIT_MESSAGE_STORE_NODES', 'message-store-0=127.0.0.1:7120'),
    session: nodes('GODWIT_SESSION_NODES', 'session-0=127.0.0.1:7130'),
    group: nodes('GODWIT_GROUP_NODES', 'group-0=127.0.0.1:7140'),
    account: nodes('GODWIT_ACCOUNT_NODES', 'account-0=127.0.0.1:7150'),
  },
  sends: {
    /** All sends that may be without an outcome; over it: OVERLOADED. */
    maxPending: integer('GODWIT_ROUTER_MAX_PENDING_SENDS', { min: 1, max: 1_000_000, fallback: 20_000 }),
    maxPendingPerEdge: integer('GODWIT_ROUTER_MAX_PENDING_SENDS_PER_EDGE', {
      min: 1,
      max: 1_000_000,
      fallback: 10_000,
    }),
    /** How long a send is tried before it is answered UNAVAILABLE. */
    deadline: duration('GODWIT_ROUTER_SEND_DEADLINE', '10s'),
    maxTextBytes: integer('GODWIT_ROUTER_MAX_TEXT_BYTES', { min: 1, max: 60_000, fallback: 16_384 }),
    maxEncryptedBytes: integer('GODWIT_ROUTER_MAX_ENCRYPTED_BYTES', { min: 1, max: 64_000, fallback: 49_152 }),
  },
  fanOut: {
    /** How long a device that is said to be connected is looked for before its user counts as offline. */
    patience: duration('GODWIT_ROUTER_DELIVERY_PATIENCE', '10s'),
    /** Messages that may be stored and not yet with everybody; over it new sends are OVERLOADED. */
    maxPending: integer('GODWIT_ROUTER_MAX_PENDING_FAN_OUTS', { min: 100, max: 10_000_000, fallback: 50_000 }),
    maxWakes: integer('GODWIT_ROUTER_MAX_WAKES', { min: 100, max: 10_000_000, fallback: 100_000 }),
  },
  cache: {
    /** Members of conversations held in memory. */
    members: integer('GODWIT_ROUTER_CACHED_MEMBERS', { min: 1_000, max: 50_000_000, fallback: 500_000 }),
  },
  cursors: {
    /** Acks of a device and conversation within this time are one raise. */
    interval: duration('GODWIT_ROUTER_CURSOR_INTERVAL', '50ms'),
    max: integer('GODWIT_ROUTER_MAX_CURSORS', { min: 100, max: 10_000_000, fallback: 100_000 }),
    /** Marks of a member that move within this time are one receipt. */
    receiptInterval: duration('GODWIT_ROUTER_RECEIPT_INTERVAL', '100ms'),
  },
  sync: {
    /** Reads of all syncs together that are under way at a time: what is left of the machine is for live messages. */
    concurrency: integer('GODWIT_ROUTER_SYNC_CONCURRENCY', { min: 1, max: 1_024, fallback: 16 }),
    max: integer('GODWIT_ROUTER_MAX_SYNCS', { min: 1, max: 1_000_000, fallback: 20_000 }),
    maxFetchesPerEdge: integer('GODWIT_ROUTER_MAX_FETCHES_PER_EDGE', { min: 1, max: 100_000, fallback: 256 }),
  },
};

export type RouterConfig = ConfigOf<typeof settings>;

export const loadRouterConfig = (env: Env): RouterConfig => loadConfig(settings, env);
