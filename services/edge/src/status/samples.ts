import type { Metrics } from '@godwit/telemetry/metrics';

/** One series of a metric: `value` of a histogram are its buckets, `_sum` and `_count`, told apart by `metricName`. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly value: number;
}

export interface Sample {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly series: readonly Series[];
}

export const takeSample = async (metrics: Metrics, at: number): Promise<Sample> => {
  const all = await metrics.registry.getMetricsAsJSON();
  const series = all.flatMap(({ name, values }) =>
    values.map((entry): Series => ({ name: nameOf(entry) ?? name, labels: entry.labels, value: entry.value })),
  );
  return { at, series };
};

// Histograms say which of their series an entry is; the library's type doesn't.
const nameOf = (entry: object): string | undefined =>
  'metricName' in entry && typeof entry.metricName === 'string' ? entry.metricName : undefined;

const keyOf = ({ name, labels }: Series): string => `${name} ${JSON.stringify(Object.entries(labels).sort())}`;

/** What happened between two samples: how much each series grew, in a second. */
export const ratesBetween = (older: Sample, newer: Sample): readonly Series[] => {
  const before = new Map(older.series.map((series) => [keyOf(series), series.value]));
  const seconds = Math.max((newer.at - older.at) / 1_000, 0.001);
  return newer.series.map((series) => ({
    ...series,
    value: Math.max(series.value - (before.get(keyOf(series)) ?? 0), 0) / seconds,
  }));
};

export const sumOf = (series: readonly Series[], name: string): number =>
  series.reduce((sum, entry) => (entry.name === name ? sum + entry.value : sum), 0);

/** Sums by one label, largest first, without what is 0. */
export const byLabel = (series: readonly Series[], name: string, label: string): Readonly<Record<string, number>> => {
  const sums = new Map<string, number>();
  for (const entry of series) {
    if (entry.name !== name || entry.value === 0) continue;
    const value = String(entry.labels[label] ?? '');
    sums.set(value, (sums.get(value) ?? 0) + entry.value);
  }
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a));
};

/** The upper bound of the bucket that holds this share of all; undefined without any, Infinity beyond the last. */
export const quantileOf = (series: readonly Series[], name: string, share: number): number | undefined => {
  const buckets = new Map<number, number>();
  for (const entry of series) {
    if (entry.name !== `${name}_bucket`) continue;
    const bound = entry.labels['le'] === '+Inf' ? Infinity : Number(entry.labels['le']);
    buckets.set(bound, (buckets.get(bound) ?? 0) + entry.value);
  }
  const total = buckets.get(Infinity) ?? 0;
  if (total === 0) return undefined;
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  return sorted.find(([, count]) => count >= total * share)?.[0];
};
