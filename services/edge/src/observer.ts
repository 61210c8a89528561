import {
  edgeCalls,
  edgeDeliveries,
  edgeFrames,
  edgeInFlight,
  edgeRecheckFinds,
  edgeRefusals,
  edgeSendSeconds,
  edgeSockets,
  edgeSyncSeconds,
  edgeSyncs,
} from '@godwit/telemetry/catalogue';
import type { Metrics } from '@godwit/telemetry/metrics';

export interface WatchedNumbers {
  readonly sockets: () => number;
  readonly syncs: () => number;
  readonly inFlight: () => number;
}

/** What the edge counts and measures. */
export interface EdgeObserver {
  readonly framed: (kind: string) => void;
  readonly sent: (milliseconds: number) => void;
  readonly refused: (reason: string) => void;
  readonly delivered: (sockets: number) => void;
  readonly synced: (milliseconds: number) => void;
  readonly found: () => void;
  readonly called: (call: string, status: number) => void;
  /** Numbers that are read when the metrics are. */
  readonly watch: (numbers: WatchedNumbers) => void;
}

export const edgeObserver = (metrics: Metrics): EdgeObserver => {
  const frames = metrics.counter(edgeFrames);
  const sendSeconds = metrics.histogram(edgeSendSeconds);
  const refusals = metrics.counter(edgeRefusals);
  const deliveries = metrics.counter(edgeDeliveries);
  const syncSeconds = metrics.histogram(edgeSyncSeconds);
  const finds = metrics.counter(edgeRecheckFinds);
  const calls = metrics.counter(edgeCalls);
  const kinds = new Map<string, ReturnType<typeof frames.labels>>();
  return {
    framed: (kind) => {
      const counter = kinds.get(kind) ?? frames.labels({ kind });
      kinds.set(kind, counter);
      counter.inc();
    },
    sent: (milliseconds) => {
      sendSeconds.observe(milliseconds / 1_000);
    },
    refused: (reason) => {
      refusals.inc({ reason });
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
      calls.inc({ call, status: String(status) });
    },
    watch: ({ sockets, syncs, inFlight }) => {
      metrics.observe(edgeSockets, sockets);
      metrics.observe(edgeSyncs, syncs);
      metrics.observe(edgeInFlight, inFlight);
    },
  };
};
