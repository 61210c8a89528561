import type { Build } from '@godwit/runtime/base-config';
import { byLabel, quantileOf, ratesBetween, sumOf, type Sample } from './samples.js';

/** How this edge is, and what it sees of the fleet. Rates are per second, over the time since `sinceSeconds` ago. */
export interface Status {
  readonly node: string;
  readonly build: Build;
  /** True, or what is missing. */
  readonly ready: true | string;
  readonly sinceSeconds: number;
  readonly sockets: number;
  readonly syncs: number;
  readonly inFlight: number;
  readonly handshakes: Readonly<Record<string, number>>;
  readonly closes: Readonly<Record<string, number>>;
  readonly frames: Readonly<Record<string, number>>;
  readonly sends: { readonly acked: number; readonly p50Ms: number | null; readonly p99Ms: number | null };
  readonly refusals: Readonly<Record<string, number>>;
  readonly deliveries: number;
  readonly syncP99Ms: number | null;
  /** Long streams to peers. */
  readonly links: readonly { readonly peer: string; readonly method: string; readonly up: boolean }[];
  readonly process: { readonly eventLoopP99Ms: number; readonly memoryBytes: number; readonly cpu: number };
}

export interface StatusInput {
  readonly node: string;
  readonly build: Build;
  readonly ready: true | string;
  readonly older: Sample;
  readonly newer: Sample;
}

export const statusOf = ({ node, build, ready, older, newer }: StatusInput): Status => {
  const now = newer.series;
  const rates = ratesBetween(older, newer);
  const ms = (name: string, share: number): number | null => {
    const seconds = quantileOf(rates, name, share);
    return seconds === undefined || seconds === Infinity ? null : seconds * 1_000;
  };
  return {
    node,
    build,
    ready,
    sinceSeconds: (newer.at - older.at) / 1_000,
    sockets: sumOf(now, 'godwit_edge_sockets'),
    syncs: sumOf(now, 'godwit_edge_syncs'),
    inFlight: sumOf(now, 'godwit_edge_in_flight'),
    handshakes: byLabel(rates, 'godwit_edge_handshake_seconds_count', 'status'),
    closes: byLabel(rates, 'godwit_edge_closes_total', 'code'),
    frames: byLabel(rates, 'godwit_edge_frames_total', 'kind'),
    sends: {
      acked: sumOf(rates, 'godwit_edge_send_seconds_count'),
      p50Ms: ms('godwit_edge_send_seconds', 0.5),
      p99Ms: ms('godwit_edge_send_seconds', 0.99),
    },
    refusals: byLabel(rates, 'godwit_edge_refusals_total', 'reason'),
    deliveries: sumOf(rates, 'godwit_edge_deliveries_total'),
    syncP99Ms: ms('godwit_edge_sync_seconds', 0.99),
    links: now
      .filter(({ name }) => name === 'godwit_rpc_link_up')
      .map(({ labels, value }) => ({ peer: text(labels['peer']), method: text(labels['method']), up: value === 1 })),
    process: {
      eventLoopP99Ms: sumOf(now, 'nodejs_eventloop_lag_p99_seconds') * 1_000,
      memoryBytes: sumOf(now, 'process_resident_memory_bytes'),
      cpu: sumOf(rates, 'process_cpu_seconds_total'),
    },
  };
};

const text = (value: string | number | undefined): string => String(value ?? '');
