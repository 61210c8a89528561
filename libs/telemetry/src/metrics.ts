import { isTracing, type Exemplar } from '@godwit/tracing/spans';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, type RegistryContentType } from 'prom-client';
import { Children, type LabelDeclarations, type Labels } from './labels.js';

// How the metrics of a process are made. Which ones there are stands in catalogue/.

interface Declaration<D extends LabelDeclarations> {
  readonly name: `godwit_${string}`;
  readonly help: string;
  readonly labels: D;
}

export interface CounterDeclaration<D extends LabelDeclarations> extends Declaration<D> {
  readonly type: 'counter';
}
export interface GaugeDeclaration<D extends LabelDeclarations> extends Declaration<D> {
  readonly type: 'gauge';
}
export interface HistogramDeclaration<D extends LabelDeclarations> extends Declaration<D> {
  readonly type: 'histogram';
  readonly buckets: readonly number[];
  /** Where this process traces, its buckets name a trace each. */
  readonly exemplars?: true;
}
export type AnyDeclaration =
  CounterDeclaration<LabelDeclarations> | GaugeDeclaration<LabelDeclarations> | HistogramDeclaration<LabelDeclarations>;

type NoLabels = Readonly<Record<never, never>>;

/** Goes up by one, or by so many. */
export interface CounterChild {
  inc(by?: number): void;
}
export interface GaugeChild {
  set(value: number): void;
  /** By one, or by so many; less than nothing is down. */
  add(by?: number): void;
}
export interface HistogramChild {
  /** `exemplar`: the span that took so long, if its trace is kept; for those that are declared with exemplars. */
  observe(value: number, exemplar?: Exemplar): void;
}

/** A metric with labels. What happens often keeps the children it needs and looks for none while it happens. */
export interface Family<D extends LabelDeclarations, C> {
  labels(this: void, labels: Labels<D>): C;
}

/** A metric without labels is its own only child. */
type Made<D extends LabelDeclarations, C> = keyof D extends never ? C : Family<D, C>;

/** The metrics of one process. Asking twice for a declaration gives the same metric. */
export interface Metrics {
  readonly registry: Registry<RegistryContentType>;
  counter<D extends LabelDeclarations>(declaration: CounterDeclaration<D>): Made<D, CounterChild>;
  gauge<D extends LabelDeclarations>(declaration: GaugeDeclaration<D>): Made<D, GaugeChild>;
  histogram<D extends LabelDeclarations>(declaration: HistogramDeclaration<D>): Made<D, HistogramChild>;
  /** A gauge that is read when it is scraped. */
  observe(declaration: GaugeDeclaration<NoLabels>, read: () => number): void;
  /** A gauge whose every child is read when it is scraped. */
  observeEach<D extends LabelDeclarations>(declaration: GaugeDeclaration<D>, reads: readonly GaugeRead<D>[]): void;
}

export interface GaugeRead<D extends LabelDeclarations> {
  readonly labels: Labels<D>;
  readonly read: () => number;
}

export interface MetricsOptions {
  readonly service: string;
  readonly node: string;
  /** Event loop delay, garbage collection, memory, CPU of this process (default true). */
  readonly processMetrics?: boolean;
}

type Flat = Readonly<Record<string, string>>;

const common = ({ name, help, labels }: Declaration<LabelDeclarations>, registry: Registry<RegistryContentType>) => ({
  name,
  help,
  labelNames: Object.keys(labels),
  registers: [registry],
});

/** A metric without labels is there with its first value at once; one with labels comes child by child. */
const made = <C>(declaration: Declaration<LabelDeclarations>, child: (labels?: Flat) => C): unknown => {
  if (Object.keys(declaration.labels).length === 0) return child();
  const children = new Children(declaration.labels, child);
  return { labels: (labels: Labels<LabelDeclarations>) => children.get(labels) };
};

const counterChild =
  (counter: Counter) =>
  (labels: Flat = {}): CounterChild => {
    // There with 0 from now on: a rate over a counter that appears with its first event doesn't see that event.
    counter.inc(labels, 0);
    return {
      inc: (by = 1) => {
        counter.inc(labels, by);
      },
    };
  };

const gaugeChild =
  (gauge: Gauge) =>
  (labels: Flat = {}): GaugeChild => ({
    set: (value) => {
      gauge.set(labels, value);
    },
    add: (by = 1) => {
      gauge.inc(labels, by);
    },
  });

const histogramChild =
  (histogram: Histogram) =>
  (labels: Flat = {}): HistogramChild => {
    histogram.zero(labels);
    return {
      observe: (value) => {
        histogram.observe(labels, value);
      },
    };
  };

const exemplaryChild =
  (histogram: Histogram) =>
  (labels: Flat = {}): HistogramChild => {
    histogram.zero(labels);
    return {
      observe: (value, exemplar) => {
        histogram.observe({ labels, value, exemplarLabels: { ...exemplar } });
      },
    };
  };

/** A registry of its own, so that several services composed in one test process don't meet in a global one. */
export const createMetrics = ({ service, node, processMetrics = true }: MetricsOptions): Metrics => {
  const registry = new Registry<RegistryContentType>();
  registry.setDefaultLabels({ service, node });
  // The only format that has exemplars.
  if (isTracing()) registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  if (processMetrics) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
  const known = new Map<string, { readonly declaration: unknown; readonly metric: unknown }>();
  const once = <M>(declaration: Declaration<LabelDeclarations>, make: () => unknown): M => {
    const existing = known.get(declaration.name);
    if (existing !== undefined && existing.declaration !== declaration) {
      throw new Error(`${declaration.name} is declared twice`);
    }
    const metric = existing === undefined ? make() : existing.metric;
    known.set(declaration.name, { declaration, metric });
    return metric as M;
  };
  return {
    registry,
    counter: (declaration) =>
      once(declaration, () => made(declaration, counterChild(new Counter(common(declaration, registry))))),
    gauge: (declaration) =>
      once(declaration, () => made(declaration, gaugeChild(new Gauge(common(declaration, registry))))),
    histogram: (declaration) =>
      once(declaration, () => {
        const buckets = [...declaration.buckets];
        const enableExemplars = declaration.exemplars === true && isTracing();
        const histogram = new Histogram({ ...common(declaration, registry), buckets, enableExemplars });
        return made(declaration, (enableExemplars ? exemplaryChild : histogramChild)(histogram));
      }),
    observe: (declaration, read) => {
      const collect = function (this: Gauge): void {
        this.set(read());
      };
      once(declaration, () => new Gauge({ ...common(declaration, registry), collect }));
    },
    observeEach: (declaration, reads) => {
      once(declaration, () => {
        const children = new Children<LabelDeclarations, (value: number) => void>(
          declaration.labels,
          (labels) => (value) => {
            gauge.set(labels, value);
          },
        );
        const collect = (): void => {
          for (const { labels, read } of reads) children.get(labels)(read());
        };
        const gauge = new Gauge({ ...common(declaration, registry), collect });
        return gauge;
      });
    },
  };
};
