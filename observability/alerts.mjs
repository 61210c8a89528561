import { ratio, slos } from './slo.mjs';

// `page` wakes somebody: users notice, or soon will. `ticket` waits for the morning. Every alert has a page in
// docs/runbooks, named in the annotation `runbook`.

const alert = ({ name, expr, after, severity, summary, runbook }) => ({
  alert: name,
  expr,
  ...(after === undefined ? {} : { for: after }),
  labels: { severity },
  annotations: { summary, runbook: `docs/runbooks/${runbook}.md` },
});

const RUNBOOK_OF = {
  send: 'sends-refused',
  send_latency: 'sends-slow',
  delivery: 'deliveries-slow',
  push: 'pushes-failing',
};
const NAME_OF = { send: 'Sends', send_latency: 'SendLatency', delivery: 'Deliveries', push: 'Pushes' };

// After "The Site Reliability Workbook", chapter 5: 2 % of a month's budget in an hour, 5 % in six hours. The short
// window ends the alert soon after the trouble has ended.
const burns = [
  { speed: 'Fast', factor: 14.4, long: '1h', short: '5m', after: '2m', severity: 'page' },
  { speed: 'Slow', factor: 6, long: '6h', short: '30m', after: '15m', severity: 'ticket' },
];

const burnAlerts = slos.flatMap(({ name, what, budget }) =>
  burns.map(({ speed, factor, long, short, after, severity }) => {
    const limit = Number((factor * budget).toPrecision(4));
    return alert({
      name: `Godwit${NAME_OF[name]}Burn${speed}`,
      expr: `${ratio(name, long)} > ${limit} and ${ratio(name, short)} > ${limit}`,
      after,
      // Nobody is woken for what only wakes phones.
      severity: name === 'push' ? 'ticket' : severity,
      summary: `Objective "${what}": the error budget burns ${factor} times too fast ({{ $value | humanizePercentage }} bad over ${long})`,
      runbook: RUNBOOK_OF[name],
    });
  }),
);

const away = (name, metric, what) =>
  alert({
    name,
    expr: `min by (service) (${metric}) == 0`,
    after: '1m',
    severity: 'ticket',
    summary: `${what} is away for a replica of {{ $labels.service }}; messages go on, see the page for what does not`,
    runbook: 'dependency-away',
  });

export const alertGroups = [
  { name: 'godwit-budgets', rules: burnAlerts },
  {
    name: 'godwit-promises',
    rules: [
      alert({
        name: 'GodwitMessageMissing',
        expr: 'increase(godwit_store_log_holes_total[15m]) > 0',
        severity: 'page',
        summary:
          '{{ $labels.node }} found a message missing above the floor of its conversation: an acked message may be lost',
        runbook: 'message-missing',
      }),
      alert({
        name: 'GodwitUnconfirmedOld',
        expr: 'max by (node) (godwit_store_unconfirmed_oldest_seconds) > 10',
        after: '30s',
        severity: 'page',
        summary:
          '{{ $labels.node }} has a stored message that no router has confirmed as fanned out for {{ $value | humanizeDuration }}',
        runbook: 'deliveries-slow',
      }),
      alert({
        name: 'GodwitJobsGivenUp',
        expr: 'increase(godwit_bus_consumed_total{outcome="term"}[15m]) > 0',
        severity: 'ticket',
        summary: '{{ $labels.service }} gave up jobs of stream {{ $labels.stream }}',
        runbook: 'pushes-failing',
      }),
    ],
  },
  {
    name: 'godwit-processes',
    rules: [
      alert({
        name: 'GodwitReplicaDown',
        expr: 'up{job="godwit"} == 0',
        after: '1m',
        severity: 'page',
        summary: '{{ $labels.instance }} does not answer its metrics',
        runbook: 'replica-down',
      }),
      alert({
        name: 'GodwitLinkDown',
        expr: 'min by (node, peer, method) (godwit_rpc_link_up) == 0',
        after: '1m',
        severity: 'ticket',
        summary: '{{ $labels.node }} has no stream to {{ $labels.peer }} ({{ $labels.method }})',
        runbook: 'replica-down',
      }),
      alert({
        name: 'GodwitEventLoopSlow',
        expr: 'nodejs_eventloop_lag_p99_seconds > 0.25',
        after: '5m',
        severity: 'ticket',
        summary: 'The event loop of {{ $labels.node }} is late by {{ $value | humanizeDuration }} (p99)',
        runbook: 'process-overloaded',
      }),
      alert({
        name: 'GodwitFilesNearLimit',
        expr: 'process_open_fds / process_max_fds > 0.8',
        after: '5m',
        severity: 'ticket',
        summary:
          '{{ $labels.node }} uses {{ $value | humanizePercentage }} of the open files (sockets too) it may have',
        runbook: 'process-overloaded',
      }),
    ],
  },
  {
    name: 'godwit-dependencies',
    rules: [
      away('GodwitNatsAway', 'godwit_bus_connected', 'NATS'),
      away('GodwitRedisAway', 'godwit_redis_available', 'Redis'),
      alert({
        name: 'GodwitFactsDropped',
        expr: 'sum by (node) (increase(godwit_events_facts_total{outcome="dropped"}[15m])) > 0',
        severity: 'ticket',
        summary:
          '{{ $labels.node }} dropped facts for EVENTS: traces of these minutes have unknown steps, analytics counts less; messages go on',
        runbook: 'dependency-away',
      }),
      alert({
        name: 'GodwitMongoWaits',
        expr: `sum by (service) (rate(godwit_mongo_checkout_seconds_count{outcome="failed"}[5m])) > 0
or histogram_quantile(0.99, sum by (service, le) (rate(godwit_mongo_checkout_seconds_bucket[5m]))) > 0.25`,
        after: '2m',
        severity: 'page',
        summary: 'Operations of {{ $labels.service }} wait for a connection to MongoDB, or get none',
        runbook: 'dependency-away',
      }),
    ],
  },
  {
    name: 'godwit-security',
    rules: [
      alert({
        name: 'GodwitHandshakesRefused',
        expr: `sum(rate(godwit_edge_handshake_seconds_count{status=~"401|403|429"}[10m]))
/
sum(rate(godwit_edge_handshake_seconds_count[10m])) > 0.5
and sum(rate(godwit_edge_handshake_seconds_count[10m])) > 1`,
        after: '10m',
        severity: 'ticket',
        summary:
          '{{ $value | humanizePercentage }} of all handshakes are refused: an attack, or a client that lost its tokens',
        runbook: 'handshakes-refused',
      }),
    ],
  },
];
