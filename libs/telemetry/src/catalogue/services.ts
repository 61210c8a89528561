import { counter, gauge, histogram, LATENCY_BUCKETS } from '../declare.js';

// What is one service's own; libs.ts has the rest, and what is to be known of all.

/** The table of docs/protocol.md. */
const REASONS = { atMost: 48 } as const;
const PROVIDERS = ['apns', 'fcm', 'wns', 'web_push', 'log'] as const;

// --- session ---
export const sessionSessions = gauge({
  name: 'godwit_session_sessions',
  help: 'Sessions in the memory of this replica',
  labels: {},
});
export const sessionEdges = gauge({
  name: 'godwit_session_edges',
  help: 'Edges that have a stream to this replica',
  labels: {},
});
export const sessionEvictions = counter({
  name: 'godwit_session_evictions_total',
  help: 'Sockets that an edge had to close, by reason (superseded, revoked)',
  labels: { reason: ['superseded', 'revoked'] },
});
export const sessionArchiveFailures = counter({
  name: 'godwit_session_archive_failures_total',
  help: 'Times Redis could not be used and memory had to do, by operation',
  labels: { operation: ['load', 'write', 'lease', 'tell'] },
});
export const sessionRewrites = counter({
  name: 'godwit_session_rewrites_total',
  help: 'Times all sessions were written to Redis again, by why (lost, missed, refresh)',
  labels: { why: ['lost', 'missed', 'refresh'] },
});

// --- account ---
export const smsSends = counter({
  name: 'godwit_account_sms_total',
  help: 'One-time codes handed to the SMS gateway, by outcome (sent, failed)',
  labels: { outcome: ['sent', 'failed'] },
});

// --- push ---
export const pushOutcomes = counter({
  name: 'godwit_push_outcomes_total',
  help: 'What became of wakes, by provider and outcome',
  labels: { provider: PROVIDERS, outcome: ['SENT', 'ONLINE', 'NO_TOKEN', 'MUTED', 'FAILED'] },
});
export const pushSeconds = histogram({
  name: 'godwit_push_send_seconds',
  help: 'Time a provider took to accept or refuse a push',
  labels: { provider: PROVIDERS, outcome: ['sent', 'token_invalid', 'refused', 'try_later', 'failed'] },
  buckets: LATENCY_BUCKETS,
});

// --- message-store ---
export const storeAckSeconds = histogram({
  name: 'godwit_store_ack_seconds',
  help: 'Time from the arrival of an append until its ack',
  labels: {},
  buckets: LATENCY_BUCKETS,
});
export const storeInsertSeconds = histogram({
  name: 'godwit_store_insert_seconds',
  help: 'Time for MongoDB to have a batch of appends on a majority, by outcome',
  labels: { outcome: ['stored', 'seq-taken', 'id-taken', 'uncertain'] },
  buckets: LATENCY_BUCKETS,
});
export const storeTroubles = counter({
  name: 'godwit_store_append_troubles_total',
  help: 'Attempts of a batch that were no plain success (read, seq-taken, id-taken, uncertain)',
  labels: { what: ['read', 'seq-taken', 'id-taken', 'uncertain'] },
});
export const storeUnconfirmed = gauge({
  name: 'godwit_store_unconfirmed_conversations',
  help: 'Conversations with acked messages that are not known to be fanned out',
  labels: {},
});
export const storeUnconfirmedAge = gauge({
  name: 'godwit_store_unconfirmed_oldest_seconds',
  help: 'How long the oldest of them has waited; a router is asked again every 3 s',
  labels: {},
});
export const storeWaitingCursors = gauge({
  name: 'godwit_store_waiting_cursors',
  help: 'Cursors that have moved and are not written yet',
  labels: {},
});
export const storeOrders = counter({
  name: 'godwit_store_fan_out_orders_total',
  help: 'Times a router was told to fan out what another did not confirm',
  labels: {},
});
export const storeHoles = counter({
  name: 'godwit_store_log_holes_total',
  help: 'Missing documents above a floor: an alarm, must stay 0',
  labels: {},
});
export const storeReaped = counter({
  name: 'godwit_store_reaped_total',
  help: 'Payloads removed, by reason (delivered, expired)',
  labels: { reason: ['delivered', 'expired'] },
});
export const storeClaims = counter({
  name: 'godwit_store_claims_total',
  help: 'Rows of dead store processes: claimed, recovered, failed',
  labels: { outcome: ['claimed', 'recovered', 'failed'] },
});

// --- edge ---
export const edgeSockets = gauge({
  name: 'godwit_edge_sockets',
  help: 'Open sockets',
  labels: {},
});
export const edgeHandshakeSeconds = histogram({
  name: 'godwit_edge_handshake_seconds',
  help: 'Time to decide on a WebSocket handshake, by HTTP status (101: accepted)',
  labels: { status: ['101', '400', '401', '403', '429', '500', '503'] },
  buckets: LATENCY_BUCKETS,
});
export const edgeCloses = counter({
  name: 'godwit_edge_closes_total',
  help: 'Sockets that closed, by close code (docs/protocol.md)',
  labels: { code: { atMost: 40 } },
});
export const edgeFrames = counter({
  name: 'godwit_edge_frames_total',
  help: 'Frames that clients sent, by what they were',
  labels: { kind: { atMost: 32 } },
});
export const edgeSendSeconds = histogram({
  name: 'godwit_edge_send_seconds',
  help: 'Time from a send to its ack, as the edge sees it',
  labels: {},
  buckets: LATENCY_BUCKETS,
  exemplars: true,
});
export const edgeRefusals = counter({
  name: 'godwit_edge_refusals_total',
  help: 'Sends and fetches that were refused, by reason',
  labels: { reason: REASONS },
});
export const edgeDeliveries = counter({
  name: 'godwit_edge_deliveries_total',
  help: 'Live messages handed to sockets',
  labels: {},
});
export const edgeSyncSeconds = histogram({
  name: 'godwit_edge_sync_seconds',
  help: 'Time from hello to sync_complete',
  labels: {},
  buckets: LATENCY_BUCKETS,
});
export const edgeRecheckFinds = counter({
  name: 'godwit_edge_recheck_finds_total',
  help: 'Messages that a recheck of a live socket found: live delivery had missed them, or was slower than the recheck',
  labels: {},
});
export const edgeCalls = counter({
  name: 'godwit_edge_http_calls_total',
  help: 'Calls over HTTP, by call and status',
  labels: { call: { atMost: 64 }, status: { atMost: 24 } },
});
export const edgeSyncs = gauge({
  name: 'godwit_edge_syncs',
  help: 'Syncs and rechecks under way',
  labels: {},
});
export const edgeInFlight = gauge({
  name: 'godwit_edge_in_flight',
  help: 'Sends and fetches that wait for an outcome',
  labels: {},
});

// --- router ---
export const routerSends = counter({
  name: 'godwit_router_sends_total',
  help: 'Sends by how they ended: stored, duplicate, or the reason of the refusal',
  labels: { outcome: REASONS },
});
export const routerSendSeconds = histogram({
  name: 'godwit_router_send_seconds',
  help: 'Time from the arrival of a send to its outcome',
  labels: {},
  buckets: LATENCY_BUCKETS,
});
export const routerFanOutSeconds = histogram({
  name: 'godwit_router_fan_out_seconds',
  help: 'Time from stored until every connected device was handed the message, by outcome (reached, given up here)',
  labels: { outcome: ['reached', 'given_up'] },
  buckets: LATENCY_BUCKETS,
  exemplars: true,
});
export const routerPending = gauge({
  name: 'godwit_router_pending',
  help: 'Work under way, by kind (sends, fan-outs, redeliveries, orders, wakes, cursors, syncs)',
  labels: { kind: ['sends', 'fan-outs', 'redeliveries', 'orders', 'wakes', 'cursors', 'syncs'] },
});
export const routerRedeliveries = counter({
  name: 'godwit_router_redeliveries_total',
  help: 'Devices that were not where they were said to be and were looked up again',
  labels: {},
});
export const routerDropped = counter({
  name: 'godwit_router_dropped_total',
  help: 'What a full queue gave up, by queue (wakes, cursors); a later ack or sync makes up for it',
  labels: { queue: ['wakes', 'cursors'] },
});
export const routerFailures = counter({
  name: 'godwit_router_failures_total',
  help: 'Work in the background that failed and is tried again by others, by kind',
  labels: {
    kind: ['cursors', 'session lookup', 'fetch', 'receipts', 'fan-out order', 'group reminder', 'sync'],
  },
});

// --- group ---
export const groupCatchUps = counter({
  name: 'godwit_group_catch_ups_total',
  help: 'Times the projections of a conversation were found behind the log and brought up to date',
  labels: {},
});
export const groupRepeatedDecisions = counter({
  name: 'godwit_group_repeated_decisions_total',
  help: 'Changes that were decided again because the log had moved on',
  labels: {},
});

// --- presence ---
export const presenceEdges = gauge({
  name: 'godwit_presence_edges',
  help: 'Edges that have their stream to this replica',
  labels: {},
});
export const presenceSockets = gauge({
  name: 'godwit_presence_sockets',
  help: 'Sockets that the edges linked to this replica have',
  labels: {},
});
export const presenceTopics = gauge({
  name: 'godwit_presence_topics',
  help: 'Users and conversations that somebody here wants to hear of',
  labels: {},
});
export const presenceWaiting = gauge({
  name: 'godwit_presence_waiting_updates',
  help: 'Users whose news wait for the budget of an edge',
  labels: {},
});
export const presenceFailures = counter({
  name: 'godwit_presence_failures_total',
  help: 'Times presence did without something, by part',
  labels: {
    part: ['registry', 'last-seen', 'read', 'relations', 'members', 'broadcast', 'notify'],
  },
});
export const presenceDeadEdges = counter({
  name: 'godwit_presence_dead_edges_total',
  help: 'Dead edges whose users this replica has turned offline',
  labels: {},
});
