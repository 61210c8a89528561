import type { Logger } from '@godwit/runtime/logger';
import {
  routerDropped,
  routerFailures,
  routerPending,
  routerRedeliveries,
  routerSends,
  routerSendSeconds,
} from '@godwit/telemetry/catalogue';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { SendOutcome } from './domain/ingress.js';

/** What the router counts and logs. */
export interface Telemetry {
  readonly sent: (outcome: SendOutcome, startedAt: number) => void;
  readonly redelivered: (count: number) => void;
  readonly dropped: (queue: string) => () => void;
  /** Something in the background failed; whoever depends on it tries again. Logged at most once a second and kind. */
  readonly failed: (kind: string) => (error: unknown) => void;
}

const LOG_EVERY_MS = 1_000;

export const createTelemetry = (metrics: Metrics, logger: Logger): Telemetry => {
  const sends = metrics.counter(routerSends);
  const seconds = metrics.histogram(routerSendSeconds);
  const stored = sends.labels({ outcome: 'stored' });
  const duplicate = sends.labels({ outcome: 'duplicate' });
  const failures = metrics.counter(routerFailures);
  return {
    sent: (outcome, startedAt) => {
      seconds.observe((performance.now() - startedAt) / 1_000);
      if (outcome.type === 'refused') sends.inc({ outcome: outcome.refusal.reason });
      else (outcome.duplicate ? duplicate : stored).inc();
    },
    redelivered: (count) => {
      metrics.counter(routerRedeliveries).inc(count);
    },
    dropped: (queue) => () => {
      metrics.counter(routerDropped).inc({ queue });
    },
    failed: (kind) => {
      let loggedAt = -Infinity;
      return (error) => {
        failures.inc({ kind });
        if (performance.now() - loggedAt < LOG_EVERY_MS) return;
        loggedAt = performance.now();
        logger.warn({ err: error, kind }, 'work in the background failed');
      };
    },
  };
};

const OBSERVE_MS = 2_000;

/** Keeps the gauges of pending work up to date; returns how to stop it. */
export const observePending = (metrics: Metrics, pending: Readonly<Record<string, () => number>>): (() => void) => {
  const gauge = metrics.gauge(routerPending);
  const timer = setInterval(() => {
    for (const [kind, count] of Object.entries(pending)) gauge.set({ kind }, count());
  }, OBSERVE_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
};
