import type { CounterDeclaration, GaugeDeclaration, HistogramDeclaration } from './metrics.js';

// Every metric of the fleet, beside each other. Labels are of low cardinality: methods, reasons, names of queues;
// never a user, device or conversation. The default labels `service` and `node` are on all of them.

/** Seconds, from half a millisecond (a local hop) to ten seconds (the promise of redelivery). */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.08, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
export const SIZE_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

const counter = <const L extends string>(declaration: Omit<CounterDeclaration<L>, 'type'>): CounterDeclaration<L> => ({
  type: 'counter',
  ...declaration,
});
const gauge = <const L extends string>(declaration: Omit<GaugeDeclaration<L>, 'type'>): GaugeDeclaration<L> => ({
  type: 'gauge',
  ...declaration,
});
const histogram = <const L extends string>(
  declaration: Omit<HistogramDeclaration<L>, 'type'>,
): HistogramDeclaration<L> => ({ type: 'histogram', ...declaration });

// --- gRPC: rate, errors, duration ---
export const rpcServerSeconds = histogram({
  name: 'godwit_rpc_server_seconds',
  help: 'Time to answer a call, by method and status code',
  labels: ['method', 'code'],
  buckets: LATENCY_BUCKETS,
});
export const rpcClientSeconds = histogram({
  name: 'godwit_rpc_client_seconds',
  help: 'Time until an attempt of a call was answered, by method and status code',
  labels: ['method', 'code'],
  buckets: LATENCY_BUCKETS,
});
export const rpcServerStreams = gauge({
  name: 'godwit_rpc_server_streams',
  help: 'Streams open on this server, by method',
  labels: ['method'],
});
export const rpcLinkUp = gauge({
  name: 'godwit_rpc_link_up',
  help: 'Whether the long stream to a peer is up (1) or not (0)',
  labels: ['method', 'peer'],
});
export const rpcLinkDowns = counter({
  name: 'godwit_rpc_link_downs_total',
  help: 'How often the long stream to a peer broke',
  labels: ['method', 'peer'],
});

// --- batching ---
export const batchItems = histogram({
  name: 'godwit_batch_items',
  help: 'Items a batch had when it closed, by queue',
  labels: ['queue'],
  buckets: SIZE_BUCKETS,
});
export const queueRefusals = counter({
  name: 'godwit_queue_refusals_total',
  help: 'Items refused because their queue was full, by queue',
  labels: ['queue'],
});

// --- NATS ---
export const busConnected = gauge({
  name: 'godwit_bus_connected',
  help: 'Whether the connection to NATS is up (1) or not (0)',
  labels: [],
});
export const busConsumed = counter({
  name: 'godwit_bus_consumed_total',
  help: 'Jobs handled, by stream and outcome (ack, nak, term)',
  labels: ['stream', 'outcome'],
});

// --- session ---
export const sessionSessions = gauge({
  name: 'godwit_session_sessions',
  help: 'Sessions in the memory of this replica',
  labels: [],
});
export const sessionEdges = gauge({
  name: 'godwit_session_edges',
  help: 'Edges that have a stream to this replica',
  labels: [],
});
export const sessionEvictions = counter({
  name: 'godwit_session_evictions_total',
  help: 'Sockets that an edge had to close, by reason (superseded, revoked)',
  labels: ['reason'],
});
export const sessionArchiveFailures = counter({
  name: 'godwit_session_archive_failures_total',
  help: 'Times Redis could not be used and memory had to do, by operation',
  labels: ['operation'],
});
export const sessionRewrites = counter({
  name: 'godwit_session_rewrites_total',
  help: 'Times all sessions were written to Redis again, by why (lost, missed, refresh)',
  labels: ['why'],
});

// --- account ---
export const smsSends = counter({
  name: 'godwit_account_sms_total',
  help: 'One-time codes handed to the SMS gateway, by outcome (sent, failed)',
  labels: ['outcome'],
});

// --- push ---
export const pushOutcomes = counter({
  name: 'godwit_push_outcomes_total',
  help: 'What became of wakes, by provider and outcome',
  labels: ['provider', 'outcome'],
});
export const pushSeconds = histogram({
  name: 'godwit_push_send_seconds',
  help: 'Time a provider took to accept or refuse a push',
  labels: ['provider'],
  buckets: LATENCY_BUCKETS,
});

// --- message-store ---
export const storeAckSeconds = histogram({
  name: 'godwit_store_ack_seconds',
  help: 'Time from the arrival of an append until its ack',
  labels: [],
  buckets: LATENCY_BUCKETS,
});
export const storeTroubles = counter({
  name: 'godwit_store_append_troubles_total',
  help: 'Attempts of a batch that were no plain success (read, seq-taken, id-taken, uncertain)',
  labels: ['what'],
});
export const storeUnconfirmed = gauge({
  name: 'godwit_store_unconfirmed_conversations',
  help: 'Conversations with acked messages that are not known to be fanned out',
  labels: [],
});
export const storeOrders = counter({
  name: 'godwit_store_fan_out_orders_total',
  help: 'Times a router was told to fan out what another did not confirm',
  labels: [],
});
export const storeHoles = counter({
  name: 'godwit_store_log_holes_total',
  help: 'Missing documents above a floor: an alarm, must stay 0',
  labels: [],
});
export const storeReaped = counter({
  name: 'godwit_store_reaped_total',
  help: 'Payloads removed, by reason (delivered, expired)',
  labels: ['reason'],
});
export const storeClaims = counter({
  name: 'godwit_store_claims_total',
  help: 'Rows of dead store processes: claimed, recovered, failed',
  labels: ['outcome'],
});

// --- edge ---
export const edgeSockets = gauge({
  name: 'godwit_edge_sockets',
  help: 'Open sockets',
  labels: [],
});
export const edgeFrames = counter({
  name: 'godwit_edge_frames_total',
  help: 'Frames that clients sent, by what they were',
  labels: ['kind'],
});
export const edgeSendSeconds = histogram({
  name: 'godwit_edge_send_seconds',
  help: 'Time from a send to its ack, as the edge sees it',
  labels: [],
  buckets: LATENCY_BUCKETS,
});
export const edgeRefusals = counter({
  name: 'godwit_edge_refusals_total',
  help: 'Sends and fetches that were refused, by reason',
  labels: ['reason'],
});
export const edgeDeliveries = counter({
  name: 'godwit_edge_deliveries_total',
  help: 'Live messages handed to sockets',
  labels: [],
});
export const edgeSyncSeconds = histogram({
  name: 'godwit_edge_sync_seconds',
  help: 'Time from hello to sync_complete',
  labels: [],
  buckets: LATENCY_BUCKETS,
});
export const edgeRecheckFinds = counter({
  name: 'godwit_edge_recheck_finds_total',
  help: 'Messages that a recheck of a live socket found: live delivery had missed them, or was slower than the recheck',
  labels: [],
});
export const edgeCalls = counter({
  name: 'godwit_edge_http_calls_total',
  help: 'Calls over HTTP, by call and status',
  labels: ['call', 'status'],
});
export const edgeSyncs = gauge({
  name: 'godwit_edge_syncs',
  help: 'Syncs and rechecks under way',
  labels: [],
});
export const edgeInFlight = gauge({
  name: 'godwit_edge_in_flight',
  help: 'Sends and fetches that wait for an outcome',
  labels: [],
});

// --- router ---
export const routerSends = counter({
  name: 'godwit_router_sends_total',
  help: 'Sends by how they ended: stored, duplicate, or the reason of the refusal',
  labels: ['outcome'],
});
export const routerSendSeconds = histogram({
  name: 'godwit_router_send_seconds',
  help: 'Time from the arrival of a send to its outcome',
  labels: [],
  buckets: LATENCY_BUCKETS,
});
export const routerPending = gauge({
  name: 'godwit_router_pending',
  help: 'Work under way, by kind (sends, fan-outs, redeliveries, orders, wakes, cursors, syncs)',
  labels: ['kind'],
});
export const routerRedeliveries = counter({
  name: 'godwit_router_redeliveries_total',
  help: 'Devices that were not where they were said to be and were looked up again',
  labels: [],
});
export const routerDropped = counter({
  name: 'godwit_router_dropped_total',
  help: 'What a full queue gave up, by queue (wakes, cursors); a later ack or sync makes up for it',
  labels: ['queue'],
});
export const routerFailures = counter({
  name: 'godwit_router_failures_total',
  help: 'Work in the background that failed and is tried again by others, by kind',
  labels: ['kind'],
});

// --- group ---
export const groupCatchUps = counter({
  name: 'godwit_group_catch_ups_total',
  help: 'Times the projections of a conversation were found behind the log and brought up to date',
  labels: [],
});
export const groupRepeatedDecisions = counter({
  name: 'godwit_group_repeated_decisions_total',
  help: 'Changes that were decided again because the log had moved on',
  labels: [],
});

// --- presence ---
export const presenceEdges = gauge({
  name: 'godwit_presence_edges',
  help: 'Edges that have their stream to this replica',
  labels: [],
});
export const presenceSockets = gauge({
  name: 'godwit_presence_sockets',
  help: 'Sockets that the edges linked to this replica have',
  labels: [],
});
export const presenceTopics = gauge({
  name: 'godwit_presence_topics',
  help: 'Users and conversations that somebody here wants to hear of',
  labels: [],
});
export const presenceWaiting = gauge({
  name: 'godwit_presence_waiting_updates',
  help: 'Users whose news wait for the budget of an edge',
  labels: [],
});
export const presenceFailures = counter({
  name: 'godwit_presence_failures_total',
  help: 'Times presence did without something, by part',
  labels: ['part'],
});
export const presenceDeadEdges = counter({
  name: 'godwit_presence_dead_edges_total',
  help: 'Dead edges whose users this replica has turned offline',
  labels: [],
});
