import {
  context,
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
  type Tracer,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import { SPANS, type Span, type SpanAttributes, type SpanName, type StartSpan } from './spans.js';

/**
 * Spans made by an OpenTelemetry tracer; for an app's SDK client: `startSpan: openTelemetry(trace.getTracer('my-app'))`.
 * Without a parent in the message it is the span that is active.
 */
export const openTelemetry =
  (tracer: Tracer): StartSpan =>
  (name, parent) =>
    new TracerSpan(tracer.startSpan(name, { kind: SpanKind[SPANS[name]] }, contextOf(name, parent)));

/** Clients are not asked what is to be kept: their spans are parents, their flag is not taken over. */
const FROM_OUTSIDE: readonly SpanName[] = ['edge.send'];

const contextOf = (name: SpanName, parent: string): Context => {
  const active = context.active();
  const remote = parent === '' ? null : parseTraceParent(parent);
  if (remote === null) return active;
  const traceFlags = FROM_OUTSIDE.includes(name) ? TraceFlags.NONE : remote.traceFlags;
  return trace.setSpanContext(active, { ...remote, traceFlags, isRemote: true });
};

class TracerSpan implements Span {
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
  }

  get traceparent(): string {
    const spanContext = this.#span.spanContext();
    if (!isSpanContextValid(spanContext)) return '';
    return `00-${spanContext.traceId}-${spanContext.spanId}-0${this.isSampled ? '1' : '0'}`;
  }

  get isSampled(): boolean {
    return (this.#span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
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
