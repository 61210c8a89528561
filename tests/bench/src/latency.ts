import { build, decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** Percentiles of a latency, ms. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export function latencyHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 });
}

/** @param histogram of microseconds */
export function latencyOf(histogram: Histogram): Latency {
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
  return {
    count: histogram.totalCount,
    p50: at(50),
    p95: at(95),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue / 1_000,
  };
}

/** One latency from what several processes have counted. */
export function mergedLatency(encoded: readonly string[]): Latency {
  return latencyOf(mergedHistogram(encoded));
}

export function mergedHistogram(encoded: readonly string[]): Histogram {
  const all = latencyHistogram();
  for (const one of encoded) all.add(decodeFromCompressedBase64(one));
  return all;
}

export function latencyOfMs(values: readonly number[]): Latency {
  const histogram = latencyHistogram();
  for (const value of values) histogram.recordValue(Math.max(1, Math.round(value * 1_000)));
  return latencyOf(histogram);
}
