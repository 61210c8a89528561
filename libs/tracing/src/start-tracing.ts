import { diag, DiagLogLevel } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { fleetSpans } from './open-telemetry.js';
import { HeadSampler, KeepingProcessor } from './sampling.js';
import { traceWith } from './spans.js';

export interface TracingOptions {
  readonly service: string;
  readonly version: string;
  readonly node: string;
  readonly namespace: string;
  /** 0 to 1: the share of traces that are kept whole. */
  readonly ratio: number;
  /** Spans that took longer are kept whatever was sampled. */
  readonly slowMs: number;
  /** The exporter could not do its work; spans are lost. */
  readonly onProblem: (problem: string) => void;
}

/** Tracing of this process. */
export interface Tracing {
  /** Sends what is waiting, and traces no more. */
  stop(): Promise<void>;
}

const PROBLEM_EVERY_MS = 60_000;
const MAX_PROBLEM = 500;

/**
 * Switches tracing on: spans go out over OTLP/HTTP (JSON). Where to, with what headers, how batched: the standard OTEL_*
 * variables, which the OpenTelemetry libraries read themselves.
 */
export const startTracing = (options: TracingOptions): Tracing => {
  const { service, version, node, namespace, ratio, slowMs, onProblem } = options;
  reportProblems(onProblem);
  const identity = {
    'service.name': service,
    'service.version': version,
    'service.namespace': namespace,
    'service.instance.id': node,
  };
  const resource = defaultResource()
    .merge(resourceFromAttributes(identity))
    .merge(detectResources({ detectors: [envDetector] }));
  const batches = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new NodeTracerProvider({
    resource,
    sampler: new HeadSampler(ratio),
    spanProcessors: [new KeepingProcessor(batches, { slowMs, now: () => performance.now() })],
  });
  provider.register({ propagator: new W3CTraceContextPropagator() });
  traceWith(fleetSpans(provider.getTracer('godwit')));
  return {
    stop: async () => {
      traceWith(undefined);
      await provider.shutdown().catch((error: unknown) => {
        onProblem(String(error));
      });
    },
  };
};

/** What the OpenTelemetry libraries complain of, at most once a minute. */
const reportProblems = (onProblem: (problem: string) => void): void => {
  let toldAt = -Infinity;
  const tell = (problem: string): void => {
    if (performance.now() - toldAt < PROBLEM_EVERY_MS) return;
    toldAt = performance.now();
    onProblem(problem.slice(0, MAX_PROBLEM));
  };
  const ignore = (): void => undefined;
  const logger = { error: tell, warn: tell, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
};
