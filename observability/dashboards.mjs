import { ratio, slos } from './slo.mjs';

// Grafana dashboards. Every query is run against a real fleet in tests/fleet/observability.test.ts, and none may be empty.

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const WIDTH = 12;
const HEIGHT = 8;

const quantile = (q, metric, by = '') =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}[$__rate_interval])))`;
const rate = (metric, by = '') => `sum${by === '' ? '' : ` by (${by})`} (rate(${metric}[$__rate_interval]))`;

const p = (title, unit, ...queries) => ({ title, unit, queries });
const q = (expr, legend) => ({ expr, legend });
const latency = (title, metric, by = '') =>
  p(
    title,
    's',
    ...[0.5, 0.99].map((share) =>
      q(quantile(share, `${metric}_bucket`, by), `p${share * 100}${by === '' ? '' : ` {{${by}}}`}`),
    ),
  );

const panel = ({ title, unit, queries }, index) => ({
  id: index + 1,
  type: 'timeseries',
  title,
  datasource: DATASOURCE,
  gridPos: { x: (index % 2) * WIDTH, y: Math.floor(index / 2) * HEIGHT, w: WIDTH, h: HEIGHT },
  fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 8, showPoints: 'never' } }, overrides: [] },
  options: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  targets: queries.map(({ expr, legend }, at) => ({
    refId: String.fromCharCode(65 + at),
    datasource: DATASOURCE,
    expr,
    legendFormat: legend,
  })),
});

const dashboard = (uid, title, panels) => ({
  uid: `godwit-${uid}`,
  title: `Godwit: ${title}`,
  tags: ['godwit'],
  schemaVersion: 39,
  timezone: 'utc',
  refresh: '10s',
  time: { from: 'now-1h', to: 'now' },
  annotations: { list: [] },
  templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' }] },
  panels: panels.map(panel),
});

const fleet = dashboard('fleet', 'fleet', [
  p('Objectives: bad share, 1 h', 'percentunit', ...slos.map(({ name, what }) => q(ratio(name, '1h'), what))),
  p('Replicas that are ready', 'short', q('sum by (service) (godwit_process_ready)', '{{service}}')),
  p(
    'Builds that run: more than one of a service only while it is rolled out',
    'short',
    q('count by (service, version, revision) (godwit_process_build_info)', '{{service}} {{version}} {{revision}}'),
  ),
  p('Calls served', 'reqps', q(rate('godwit_rpc_server_seconds_count', 'service'), '{{service}}')),
  p(
    'Calls served that failed on our side',
    'percentunit',
    q(
      `(${rate('godwit_rpc_server_seconds_count{code=~"INTERNAL|UNAVAILABLE|UNKNOWN|DEADLINE_EXCEEDED"}', 'service')} or 0 * ${rate('godwit_rpc_server_seconds_count', 'service')}) / ${rate('godwit_rpc_server_seconds_count', 'service')}`,
      '{{service}}',
    ),
  ),
  latency('Time to serve a call', 'godwit_rpc_server_seconds', 'service'),
  p(
    'Long streams that are down',
    'short',
    q('count by (service) (godwit_rpc_link_up) - sum by (service) (godwit_rpc_link_up)', '{{service}}'),
  ),
  p('CPU', 'percentunit', q(rate('process_cpu_seconds_total', 'service, node'), '{{node}}')),
  p('Memory', 'bytes', q('process_resident_memory_bytes', '{{node}}')),
  p('Event loop delay, p99', 's', q('nodejs_eventloop_lag_p99_seconds', '{{node}}')),
  p('Garbage collection', 'percentunit', q(rate('nodejs_gc_duration_seconds_sum', 'node'), '{{node}}')),
]);

const messagePath = dashboard('message-path', 'message path', [
  p('Sends acked', 'reqps', q(rate('godwit_edge_send_seconds_count', 'node'), '{{node}}')),
  p('Sends by outcome at the router', 'reqps', q(rate('godwit_router_sends_total', 'outcome'), '{{outcome}}')),
  latency('Send to ack, at the edge', 'godwit_edge_send_seconds'),
  latency('Send to outcome, at the router', 'godwit_router_send_seconds'),
  latency('Append to ack, at the message-store', 'godwit_store_ack_seconds'),
  latency('Insert into MongoDB, a batch', 'godwit_store_insert_seconds'),
  p(
    'Messages in a batch',
    'short',
    q(quantile(0.5, 'godwit_batch_items_bucket'), 'p50'),
    q(quantile(0.99, 'godwit_batch_items_bucket'), 'p99'),
  ),
  latency('Stored to handed over, at the router', 'godwit_router_fan_out_seconds', 'outcome'),
  p('Live messages handed to sockets', 'reqps', q(rate('godwit_edge_deliveries_total', 'node'), '{{node}}')),
  p('Work under way in routers', 'short', q('sum by (kind) (godwit_router_pending)', '{{kind}}')),
  p('Unconfirmed: conversations', 'short', q('godwit_store_unconfirmed_conversations', '{{node}}')),
  p('Unconfirmed: age of the oldest', 's', q('godwit_store_unconfirmed_oldest_seconds', '{{node}}')),
  p(
    'Repairs',
    'short',
    q(rate('godwit_router_redeliveries_total'), 'devices looked up again'),
    q(rate('godwit_store_fan_out_orders_total'), 'fan-outs ordered again'),
    q(rate('godwit_edge_recheck_finds_total'), 'found by a recheck'),
    q(rate('godwit_store_log_holes_total'), 'missing (must stay 0)'),
  ),
  p('Background work that failed', 'short', q(rate('godwit_router_failures_total', 'kind'), '{{kind}}')),
  p('Given up by a full queue', 'short', q(rate('godwit_router_dropped_total', 'queue'), '{{queue}}')),
]);

const edges = dashboard('edges', 'edges', [
  p('Sockets', 'short', q('godwit_edge_sockets', '{{node}}')),
  p('Handshakes', 'reqps', q(rate('godwit_edge_handshake_seconds_count', 'status'), '{{status}}')),
  latency('Time to decide on a handshake', 'godwit_edge_handshake_seconds'),
  p('Sockets closed, by code', 'reqps', q(rate('godwit_edge_closes_total', 'code'), '{{code}}')),
  p('Frames from clients', 'reqps', q(rate('godwit_edge_frames_total', 'kind'), '{{kind}}')),
  latency('hello to sync_complete', 'godwit_edge_sync_seconds'),
  p('Under way', 'short', q('sum (godwit_edge_syncs)', 'syncs'), q('sum (godwit_edge_in_flight)', 'sends and fetches')),
  p('Calls over HTTP', 'reqps', q(rate('godwit_edge_http_calls_total', 'status'), '{{status}}')),
  p('Sessions', 'short', q('godwit_session_sessions', '{{node}}')),
  p(
    'Presence',
    'short',
    q('godwit_presence_sockets', 'sockets {{node}}'),
    q('godwit_presence_topics', 'topics {{node}}'),
    q('godwit_presence_waiting_updates', 'waiting {{node}}'),
  ),
  p(
    'Edges that session and presence replicas know',
    'short',
    q('godwit_session_edges', '{{node}}'),
    q('godwit_presence_edges', '{{node}}'),
  ),
]);

const stores = dashboard('stores', 'stores', [
  p('MongoDB: connections', 'short', q('sum by (service, state) (godwit_mongo_connections)', '{{service}} {{state}}')),
  latency('MongoDB: wait for a connection', 'godwit_mongo_checkout_seconds', 'service'),
  p('MongoDB: pools cleared', 'short', q(rate('godwit_mongo_pool_clears_total', 'service'), '{{service}}')),
  p(
    'Appends that were no plain success',
    'short',
    q(`${rate('godwit_store_append_troubles_total', 'what')} or vector(0)`, '{{what}}'),
  ),
  p('Cursors that wait', 'short', q('godwit_store_waiting_cursors', '{{node}}')),
  p('Payloads removed', 'short', q(`${rate('godwit_store_reaped_total', 'reason')} or vector(0)`, '{{reason}}')),
  p(
    'Redis: available',
    'short',
    q('godwit_redis_available', '{{node}}'),
    q('godwit_redis_nodes', 'members of {{node}}'),
  ),
  latency('Redis: commands', 'godwit_redis_seconds', 'service'),
  p('NATS: connected', 'short', q('godwit_bus_connected', '{{node}}')),
  p('EVENTS: facts', 'reqps', q(rate('godwit_events_facts_total', 'service, outcome'), '{{service}} {{outcome}}')),
  p('EVENTS: facts dropped', 'reqps', q(rate('godwit_events_facts_total{outcome="dropped"}', 'node'), '{{node}}')),
  p('NATS: connections lost', 'short', q(rate('godwit_bus_disconnects_total', 'service'), '{{service}}')),
  latency('NATS: storing a job or fact', 'godwit_bus_store_seconds', 'stream'),
  p(
    'Membership projections',
    'short',
    q(rate('godwit_group_catch_ups_total'), 'brought up to date'),
    q(rate('godwit_group_repeated_decisions_total'), 'decided again'),
  ),
]);

const push = dashboard('push', 'push', [
  p('Jobs', 'reqps', q(rate('godwit_bus_consumed_total', 'stream, outcome'), '{{stream}} {{outcome}}')),
  latency('Wait of a job until its first delivery', 'godwit_bus_wait_seconds', 'stream'),
  p(
    'What became of pushes',
    'reqps',
    q(rate('godwit_push_outcomes_total', 'provider, outcome'), '{{provider}} {{outcome}}'),
  ),
  latency('Answer of the provider', 'godwit_push_send_seconds', 'provider'),
  p('Wakes that wait in routers', 'short', q('godwit_router_pending{kind="wakes"}', '{{node}}')),
  p('Objective: bad share', 'percentunit', q(ratio('push', '5m'), '5 m'), q(ratio('push', '1h'), '1 h')),
]);

const security = dashboard('security', 'security', [
  p('Handshakes by answer', 'reqps', q(rate('godwit_edge_handshake_seconds_count', 'status'), '{{status}}')),
  p('Requests refused, by reason', 'reqps', q(rate('godwit_edge_refusals_total', 'reason'), '{{reason}}')),
  p('Malformed frames', 'reqps', q(rate('godwit_edge_frames_total{kind="malformed"}', 'node'), '{{node}}')),
  p('Sockets closed by us', 'reqps', q(rate('godwit_edge_closes_total{code=~"4.+"}', 'code'), '{{code}}')),
  p(
    'Sockets closed for another',
    'reqps',
    q(`${rate('godwit_session_evictions_total', 'reason')} or vector(0)`, '{{reason}}'),
  ),
  p(
    'Calls refused: not known, not allowed',
    'reqps',
    q(
      `${rate('godwit_rpc_server_seconds_count{code=~"UNAUTHENTICATED|PERMISSION_DENIED"}', 'service, code')} or vector(0)`,
      '{{service}} {{code}}',
    ),
  ),
  p('One-time codes', 'reqps', q(rate('godwit_account_sms_total', 'outcome'), '{{outcome}}')),
  p('HTTP calls by status', 'reqps', q(rate('godwit_edge_http_calls_total', 'call, status'), '{{call}} {{status}}')),
]);

export const dashboards = [fleet, messagePath, edges, stores, push, security];
