// The objectives of the fleet. Each has a share of events that may be bad (its error budget) and says how to count all
// events and the bad ones over a window.

const REFUSED = 'godwit_edge_refusals_total{reason=~"UNAVAILABLE|OVERLOADED|INTERNAL"}';

// A series comes with its first event: until then there are none of them, which is not the same as not knowing.
const rate = (series, window) => `(sum(rate(${series}[${window}])) or vector(0))`;
const slower = (metric, seconds, window) =>
  `(${rate(`${metric}_count`, window)} - ${rate(`${metric}_bucket{le="${seconds}"}`, window)})`;

/** A refusal counts only where nothing was wrong with what the client asked. */
export const slos = [
  {
    name: 'send',
    what: 'sends are acked',
    budget: 0.001,
    bad: (window) => rate(REFUSED, window),
    all: (window) => `(${rate('godwit_edge_send_seconds_count', window)} + ${rate(REFUSED, window)})`,
  },
  {
    name: 'send_latency',
    what: 'acks come within 250 ms',
    budget: 0.01,
    bad: (window) => slower('godwit_edge_send_seconds', '0.25', window),
    all: (window) => rate('godwit_edge_send_seconds_count', window),
  },
  {
    name: 'delivery',
    what: 'stored messages are handed to every connected device within 1 s',
    budget: 0.001,
    bad: (window) =>
      `(${rate('godwit_router_fan_out_seconds_count', window)} - ` +
      `${rate('godwit_router_fan_out_seconds_bucket{outcome="reached",le="1"}', window)})`,
    all: (window) => rate('godwit_router_fan_out_seconds_count', window),
  },
  {
    name: 'push',
    what: 'pushes are taken by their provider',
    budget: 0.01,
    bad: (window) => rate('godwit_push_outcomes_total{outcome="FAILED"}', window),
    all: (window) => rate('godwit_push_outcomes_total{outcome=~"SENT|FAILED"}', window),
  },
];

export const WINDOWS = ['5m', '30m', '1h', '6h'];

/** The bad share of an objective over a window; absent while there are no events at all. */
export const ratio = (name, window) => `godwit:${name}:error_ratio${window}`;

export const recordingGroups = [
  {
    name: 'godwit-slo',
    rules: slos.flatMap(({ name, bad, all }) =>
      WINDOWS.map((window) => ({ record: ratio(name, window), expr: `${bad(window)}\n/\n(${all(window)} > 0)` })),
    ),
  },
];
