import {
  edgeCalls,
  edgeCloses,
  edgeDeliveries,
  edgeFrames,
  edgeHandshakeSeconds,
  edgeInFlight,
  edgeRecheckFinds,
  edgeRefusals,
  edgeSendSeconds,
  edgeSockets,
  edgeSyncSeconds,
  edgeSyncs,
} from '@godwit/telemetry/catalogue/services';
import type { CounterChild, Metrics } from '@godwit/telemetry/metrics';
import type { Span } from '@godwit/tracing/spans';
import type { createAdmission } from './auth/admission.js';

export interface WatchedNumbers {
  readonly sockets: () => number;
  readonly syncs: () => number;
  readonly inFlight: () => number;
}

type Admit = ReturnType<typeof createAdmission>;

/** What the edge counts and measures. */
export interface EdgeObserver {
  /** The same, with how long it takes and what comes of it. */
  readonly admission: (admit: Admit) => Admit;
  /** A socket closed with this code. */
  readonly closed: (code: number) => void;
  readonly framed: (kind: string) => void;
  readonly sent: (milliseconds: number, span: Span | undefined) => void;
  readonly refused: (reason: string) => void;
  readonly delivered: (sockets: number) => void;
  readonly synced: (milliseconds: number) => void;
  readonly found: () => void;
  readonly called: (call: string, status: number) => void;
  /** Numbers that are read when the metrics are. */
  readonly watch: (numbers: WatchedNumbers) => void;
}

type HandshakeStatus = (typeof edgeHandshakeSeconds.labels.status)[number];

const timedAdmission =
  (metrics: Metrics) =>
  (admit: Admit): Admit => {
    const seconds = metrics.histogram(edgeHandshakeSeconds);
    const observe = (status: number, startedAt: number): void => {
      const child = seconds.labels({ status: String(status) as HandshakeStatus });
      child.observe((performance.now() - startedAt) / 1_000);
    };
    return async (request) => {
      const startedAt = performance.now();
      try {
        const result = await admit(request);
        observe(result.ok ? 101 : result.response.status, startedAt);
        return result;
      } catch (error) {
        observe(500, startedAt);
        throw error;
      }
    };
  };

export const edgeObserver = (metrics: Metrics): EdgeObserver => {
  const frames = metrics.counter(edgeFrames);
  const sendSeconds = metrics.histogram(edgeSendSeconds);
  const refusals = metrics.counter(edgeRefusals);
  // Those that burn the error budget are there with 0: a rate doesn't see the event that a series begins with.
  for (const reason of ['UNAVAILABLE', 'OVERLOADED', 'INTERNAL']) refusals.labels({ reason });
  const deliveries = metrics.counter(edgeDeliveries);
  const syncSeconds = metrics.histogram(edgeSyncSeconds);
  const finds = metrics.counter(edgeRecheckFinds);
  const calls = metrics.counter(edgeCalls);
  const closes = metrics.counter(edgeCloses);
  const kinds = new Map<string, CounterChild>([['malformed', frames.labels({ kind: 'malformed' })]]);
  return {
    admission: timedAdmission(metrics),
    closed: (code) => {
      closes.labels({ code: String(code) }).inc();
    },
    framed: (kind) => {
      const counter = kinds.get(kind) ?? frames.labels({ kind });
      kinds.set(kind, counter);
      counter.inc();
    },
    sent: (milliseconds, span) => {
      sendSeconds.observe(milliseconds / 1_000, span?.exemplar);
    },
    refused: (reason) => {
      refusals.labels({ reason }).inc();
    },
    delivered: (sockets) => {
      deliveries.inc(sockets);
    },
    synced: (milliseconds) => {
      syncSeconds.observe(milliseconds / 1_000);
    },
    found: () => {
      finds.inc();
    },
    called: (call, status) => {
      calls.labels({ call, status: String(status) }).inc();
    },
    watch: ({ sockets, syncs, inFlight }) => {
      metrics.observe(edgeSockets, sockets);
      metrics.observe(edgeSyncs, syncs);
      metrics.observe(edgeInFlight, inFlight);
    },
  };
};
