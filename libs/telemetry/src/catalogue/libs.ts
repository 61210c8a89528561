import { counter, gauge, histogram, LATENCY_BUCKETS, SIZE_BUCKETS, WAIT_BUCKETS } from '../declare.js';

// Every metric of the fleet stands in this folder: name, type, help, labels and what values they may have. A process can
// register nothing else. Labels are of low cardinality: methods, reasons, names of queues; never a user, device or
// conversation. The labels `service` and `node` are on all of them. What Node tells of a process (event loop, garbage
// collection, memory, CPU) is in ../process-metrics.ts.
//
// Here: what the libraries measure, in whatever service uses them. In services.ts: what is one service's own.

/** What a process has one of. */
const ONE = { atMost: 1 } as const;
/** RPCs of the fleet and of gRPC itself. */
const METHODS = { atMost: 128 } as const;
/** Replicas that one process has a long stream to. */
const PEERS = { atMost: 1_000 } as const;
const STREAMS = { atMost: 8 } as const;
const RPC_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

// --- every process ---
export const processBuildInfo = gauge({
  name: 'godwit_process_build_info',
  help: 'Always 1; its labels say which build the process is of',
  labels: { version: ONE, revision: ONE },
});
export const processReady = gauge({
  name: 'godwit_process_ready',
  help: 'Whether the process has started and is not stopping (1) or not (0)',
  labels: {},
});

// --- gRPC: rate, errors, duration ---
export const rpcServerSeconds = histogram({
  name: 'godwit_rpc_server_seconds',
  help: 'Time to answer a call, by method and status code',
  labels: { method: METHODS, code: RPC_CODES },
  buckets: LATENCY_BUCKETS,
});
export const rpcClientSeconds = histogram({
  name: 'godwit_rpc_client_seconds',
  help: 'Time until an attempt of a call was answered, by method and status code',
  labels: { method: METHODS, code: RPC_CODES },
  buckets: LATENCY_BUCKETS,
});
export const rpcServerStreams = gauge({
  name: 'godwit_rpc_server_streams',
  help: 'Streams open on this server, by method',
  labels: { method: METHODS },
});
export const rpcLinkUp = gauge({
  name: 'godwit_rpc_link_up',
  help: 'Whether the long stream to a peer is up (1) or not (0)',
  labels: { method: METHODS, peer: PEERS },
});
export const rpcLinkDowns = counter({
  name: 'godwit_rpc_link_downs_total',
  help: 'How often the long stream to a peer broke',
  labels: { method: METHODS, peer: PEERS },
});

// --- batching ---
export const batchItems = histogram({
  name: 'godwit_batch_items',
  help: 'Items a batch had when it closed, by queue',
  labels: { queue: ['append'] },
  buckets: SIZE_BUCKETS,
});
export const busConnected = gauge({
  name: 'godwit_bus_connected',
  help: 'Whether the connection to NATS is up (1) or not (0)',
  labels: {},
});
export const busConsumed = counter({
  name: 'godwit_bus_consumed_total',
  help: 'Jobs handled, by stream and outcome (ack, nak, term)',
  labels: { stream: STREAMS, outcome: ['ack', 'nak', 'term'] },
});
export const busDisconnects = counter({
  name: 'godwit_bus_disconnects_total',
  help: 'How often the connection to NATS was lost',
  labels: {},
});
export const busStoreSeconds = histogram({
  name: 'godwit_bus_store_seconds',
  help: 'Time until a stream had stored a job or a fact, by stream and outcome',
  labels: { stream: STREAMS, outcome: ['stored', 'unavailable'] },
  buckets: LATENCY_BUCKETS,
});
export const busWaitSeconds = histogram({
  name: 'godwit_bus_wait_seconds',
  help: 'Time from the storing of a job until its first delivery, by stream (clocks of two machines)',
  labels: { stream: STREAMS },
  buckets: WAIT_BUCKETS,
});

export const eventsFacts = counter({
  name: 'godwit_events_facts_total',
  help: 'Facts for the stream EVENTS, by outcome (recorded; dropped: NATS was away, or there were too many)',
  labels: { outcome: ['recorded', 'dropped'] },
});

// --- MongoDB ---
export const mongoConnections = gauge({
  name: 'godwit_mongo_connections',
  help: 'Connections of the pools to MongoDB, by state (open: all of them, in_use: working)',
  labels: { state: ['open', 'in_use'] },
});
export const mongoCheckoutSeconds = histogram({
  name: 'godwit_mongo_checkout_seconds',
  help: 'Time that an operation waited for a connection, by outcome',
  labels: { outcome: ['ok', 'failed'] },
  buckets: LATENCY_BUCKETS,
});
export const mongoPoolClears = counter({
  name: 'godwit_mongo_pool_clears_total',
  help: 'Times all connections to a member were thrown away: it stepped down, or its network failed',
  labels: {},
});

// --- Redis ---
export const redisAvailable = gauge({
  name: 'godwit_redis_available',
  help: 'Whether Redis can be counted on (1) or is done without (0)',
  labels: {},
});
export const redisNodes = gauge({
  name: 'godwit_redis_nodes',
  help: 'Members of Redis that this process is connected to',
  labels: {},
});
export const redisSeconds = histogram({
  name: 'godwit_redis_seconds',
  help: 'Time for commands on Redis, by outcome (ok, refused by Redis, unavailable)',
  labels: { outcome: ['ok', 'refused', 'unavailable'] },
  buckets: LATENCY_BUCKETS,
});
