import type { Logger } from '@godwit/runtime/logger';
import {
  routerDropped,
  routerFailures,
  routerFanOutSeconds,
  routerPending,
  routerRedeliveries,
  routerSends,
  routerSendSeconds,
} from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import { startSpan, type Span } from '@godwit/tracing/spans';
import type { FanOutWatch, WatchFanOut } from './domain/fan-out-stored.js';
import type { SendOutcome } from './domain/ingress.js';

/** Work in the background that can fail. */
export type FailedWork = (typeof routerFailures.labels.kind)[number];

/** How much work of each kind is under way. */
export type Pending = Readonly<Record<(typeof routerPending.labels.kind)[number], () => number>>;

/** What the router counts and logs. */
export interface Telemetry {
  readonly sent: (outcome: SendOutcome, startedAt: number) => void;
  /** Until everybody was handed a message, or it was given up here (the store has it done again). */
  readonly fanOut: WatchFanOut;
  readonly redelivered: (count: number) => void;
  readonly dropped: (queue: 'wakes' | 'cursors') => () => void;
  /** Something in the background failed; whoever depends on it tries again. Logged at most once a second and kind. */
  readonly failed: (kind: FailedWork) => (error: unknown) => void;
}

const LOG_EVERY_MS = 1_000;

export const createTelemetry = (metrics: Metrics, logger: Logger): Telemetry => {
  const sends = metrics.counter(routerSends);
  const seconds = metrics.histogram(routerSendSeconds);
  const stored = sends.labels({ outcome: 'stored' });
  const duplicate = sends.labels({ outcome: 'duplicate' });
  const failures = metrics.counter(routerFailures);
  const redeliveries = metrics.counter(routerRedeliveries);
  const fanOuts = metrics.histogram(routerFanOutSeconds);
  const reachedSeconds = fanOuts.labels({ outcome: 'reached' });
  const givenUpSeconds = fanOuts.labels({ outcome: 'given_up' });
  return {
    sent: (outcome, startedAt) => {
      seconds.observe((performance.now() - startedAt) / 1_000);
      if (outcome.type === 'refused') sends.labels({ outcome: outcome.refusal.reason }).inc();
      else (outcome.duplicate ? duplicate : stored).inc();
    },
    fanOut: tracedFanOut((reached, milliseconds, span) => {
      (reached ? reachedSeconds : givenUpSeconds).observe(milliseconds / 1_000, span?.exemplar);
    }),
    redelivered: (count) => {
      redeliveries.inc(count);
    },
    dropped: (queue) => {
      const dropped = metrics.counter(routerDropped).labels({ queue });
      return () => {
        dropped.inc();
      };
    },
    failed: (kind) => {
      const failed = failures.labels({ kind });
      let loggedAt = -Infinity;
      return (error) => {
        failed.inc();
        if (performance.now() - loggedAt < LOG_EVERY_MS) return;
        loggedAt = performance.now();
        logger.warn({ err: error, kind }, 'work in the background failed');
      };
    },
  };
};

/** `settled` hears of every message; those that are traced have a span of their own besides. */
const tracedFanOut = (settled: (reached: boolean, milliseconds: number, span?: Span) => void): WatchFanOut => {
  const untraced: FanOutWatch = { traceparent: '', settled };
  return ({ conversationId, seq, traceparent }) => {
    const span = startSpan('router.fan_out', traceparent);
    if (span === undefined) return untraced;
    const place = { 'godwit.conversation_id': conversationId, 'godwit.seq': seq };
    return {
      traceparent: span.traceparent,
      settled: (reached, milliseconds) => {
        settled(reached, milliseconds, span);
        if (reached) span.end({ ...place, 'godwit.outcome': 'reached' });
        else span.fail({ ...place, 'godwit.outcome': 'given_up' });
      },
    };
  };
};

/** Work under way, read when the metrics are. */
export const observePending = (metrics: Metrics, pending: Pending): void => {
  const kinds = Object.keys(pending) as (keyof Pending)[];
  metrics.observeEach(
    routerPending,
    kinds.map((kind) => ({ labels: { kind }, read: pending[kind] })),
  );
};
