import type { LabelDeclarations } from './labels.js';
import type { CounterDeclaration, GaugeDeclaration, HistogramDeclaration } from './metrics.js';

// How the catalogue says what a metric is.

/** Seconds, from half a millisecond (a local hop) to ten seconds (the promise of redelivery). */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.08, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds that something may wait in a queue. */
export const WAIT_BUCKETS = [0.01, 0.1, 1, 5, 10, 60, 300, 900, 3_600, 86_400];
export const SIZE_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export const counter = <const D extends LabelDeclarations>(
  declaration: Omit<CounterDeclaration<D>, 'type'>,
): CounterDeclaration<D> => ({ type: 'counter', ...declaration });
export const gauge = <const D extends LabelDeclarations>(
  declaration: Omit<GaugeDeclaration<D>, 'type'>,
): GaugeDeclaration<D> => ({ type: 'gauge', ...declaration });
export const histogram = <const D extends LabelDeclarations>(
  declaration: Omit<HistogramDeclaration<D>, 'type'>,
): HistogramDeclaration<D> => ({ type: 'histogram', ...declaration });
