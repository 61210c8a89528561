import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

// How the metrics of a process are made. Which ones there are stands in catalogue.ts.

interface Declaration<L extends string> {
  readonly name: `godwit_${string}`;
  readonly help: string;
  readonly labels: readonly L[];
}

export interface CounterDeclaration<L extends string> extends Declaration<L> {
  readonly type: 'counter';
}
export interface GaugeDeclaration<L extends string> extends Declaration<L> {
  readonly type: 'gauge';
}
export interface HistogramDeclaration<L extends string> extends Declaration<L> {
  readonly type: 'histogram';
  readonly buckets: readonly number[];
}

/** The metrics of one process. Asking twice for a declaration gives the same metric. */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string>(declaration: CounterDeclaration<L>): Counter<L>;
  gauge<L extends string>(declaration: GaugeDeclaration<L>): Gauge<L>;
  histogram<L extends string>(declaration: HistogramDeclaration<L>): Histogram<L>;
  /** A gauge that is read when it is scraped. */
  observe(declaration: GaugeDeclaration<never>, read: () => number): void;
}

export interface MetricsOptions {
  readonly service: string;
  readonly node: string;
  /** Event loop delay, garbage collection, memory, CPU of this process (default true). */
  readonly processMetrics?: boolean;
}

/** A registry of its own, so that several services composed in one test process don't meet in a global one. */
export const createMetrics = ({ service, node, processMetrics = true }: MetricsOptions): Metrics => {
  const registry = new Registry();
  registry.setDefaultLabels({ service, node });
  if (processMetrics) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
  const made = new Map<string, unknown>();
  const once = <M>(declaration: Declaration<string>, make: () => M): M => {
    const existing = made.get(declaration.name);
    if (existing !== undefined) return existing as M;
    const metric = make();
    made.set(declaration.name, metric);
    return metric;
  };
  const common = <L extends string>({ name, help, labels }: Declaration<L>) => ({
    name,
    help,
    labelNames: labels,
    registers: [registry],
  });
  return {
    registry,
    counter: (declaration) => once(declaration, () => new Counter(common(declaration))),
    gauge: (declaration) => once(declaration, () => new Gauge(common(declaration))),
    histogram: (declaration) =>
      once(declaration, () => new Histogram({ ...common(declaration), buckets: [...declaration.buckets] })),
    observe: (declaration, read) => {
      const collect = function (this: Gauge<never>): void {
        this.set(read());
      };
      once(declaration, () => new Gauge({ ...common(declaration), collect }));
    },
  };
};
