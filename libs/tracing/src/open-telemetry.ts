import {
  context,
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import {
  SPANS,
  type ActiveSpan,
  type Exemplar,
  type Span,
  type SpanAttributes,
  type SpanMaker,
  type SpanName,
  type StartSpan,
  type Work,
} from './spans.js';

/**
 * Spans made by an OpenTelemetry tracer; for an app's SDK client: `startSpan: openTelemetry(trace.getTracer('my-app'))`.
 * Without a parent in the message it is the span that is active.
 */
export const openTelemetry =
  (tracer: Tracer): StartSpan =>
  (name, parent) =>
    new TracerSpan(tracer.startSpan(name, { kind: SpanKind[SPANS[name]] }, contextOf(name, parent)));

/** Spans of a process of the fleet. */
export const fleetSpans = (tracer: Tracer): SpanMaker => ({
  start: openTelemetry(tracer),
  within: (work) => within(tracer, work),
  active: () => {
    const spanContext = trace.getSpanContext(context.active());
    return spanContext === undefined ? undefined : activeOf(spanContext);
  },
});

const within = async <T>(tracer: Tracer, { name, kind, parent, run, isFailure }: Work<T>): Promise<T> => {
  const below = contextBelow(parseTraceParent(parent));
  const span = tracer.startSpan(name, { kind: SpanKind[kind] }, below);
  try {
    return await context.with(trace.setSpan(below, span), run);
  } catch (error) {
    if (isFailure?.(error) !== false) span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
};

const activeOf = (spanContext: SpanContext): ActiveSpan => ({
  traceId: spanContext.traceId,
  spanId: spanContext.spanId,
  traceparent: traceparentOf(spanContext),
});

const traceparentOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-0${String(traceFlags & TraceFlags.SAMPLED)}`;

/** Clients are not asked what is to be kept: their spans are parents, their flag is not taken over. */
const FROM_OUTSIDE: readonly SpanName[] = ['edge.send'];

const contextOf = (name: SpanName, parent: string): Context => {
  const remote = parseTraceParent(parent);
  const isOutside = FROM_OUTSIDE.includes(name);
  return contextBelow(isOutside && remote !== null ? { ...remote, traceFlags: TraceFlags.NONE } : remote);
};

const contextBelow = (remote: SpanContext | null): Context => {
  const active = context.active();
  return remote === null ? active : trace.setSpanContext(active, { ...remote, isRemote: true });
};

class TracerSpan implements Span {
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
  }

  get traceparent(): string {
    const spanContext = this.#span.spanContext();
    return isSpanContextValid(spanContext) ? traceparentOf(spanContext) : '';
  }

  get isSampled(): boolean {
    return (this.#span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
  }

  get exemplar(): Exemplar | undefined {
    const { traceId, spanId } = this.#span.spanContext();
    return this.isSampled ? { trace_id: traceId, span_id: spanId } : undefined;
  }

  end(attributes: SpanAttributes): void {
    this.#span.setAttributes({ ...attributes });
    this.#span.end();
  }

  fail(attributes: SpanAttributes): void {
    const message = attributes['godwit.outcome'];
    this.#span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
    this.end(attributes);
  }
}
