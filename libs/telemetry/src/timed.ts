import type { Histogram } from 'prom-client';

/** Runs `work` and observes how long it took, in seconds, under the labels for its error (undefined: it succeeded). */
export const timed = async <T, L extends string>(
  histogram: Histogram<L>,
  labels: (error: unknown) => Partial<Record<L, string>>,
  work: () => Promise<T>,
): Promise<T> => {
  const startedAt = performance.now();
  try {
    const result = await work();
    histogram.observe(labels(undefined), (performance.now() - startedAt) / 1_000);
    return result;
  } catch (error) {
    histogram.observe(labels(error), (performance.now() - startedAt) / 1_000);
    throw error;
  }
};
