import { SpanStatusCode, trace, TraceFlags, type Context } from '@opentelemetry/api';
import { hrTimeToMilliseconds } from '@opentelemetry/core';
import {
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SamplingResult,
  type Span,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';

/**
 * Records every span, and marks those to be kept for certain: of traces whose parent is marked, and of this share of all
 * traces, chosen by trace id, so that every process of the same ratio chooses the same.
 */
export class HeadSampler implements Sampler {
  readonly #ratio: TraceIdRatioBasedSampler;

  constructor(ratio: number) {
    this.#ratio = new TraceIdRatioBasedSampler(ratio);
  }

  shouldSample(parent: Context, traceId: string): SamplingResult {
    const flags = trace.getSpanContext(parent)?.traceFlags ?? TraceFlags.NONE;
    if ((flags & TraceFlags.SAMPLED) !== 0) return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    const { decision } = this.#ratio.shouldSample(parent, traceId);
    return decision === SamplingDecision.NOT_RECORD ? { decision: SamplingDecision.RECORD } : { decision };
  }

  toString(): string {
    return `HeadSampler{${this.#ratio.toString()}}`;
  }
}

export interface KeepOptions {
  /** A span that took longer is kept. */
  readonly slowMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** Spans kept for being slow or failed, a second: in an outage every span is one, and the outage is known by then. */
export const MAX_KEPT_PER_SECOND = 100;

/** Passes on what was sampled, what failed, and what was slow. */
export class KeepingProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #options: KeepOptions;
  #second = -1;
  #kept = 0;

  constructor(next: SpanProcessor, options: KeepOptions) {
    this.#next = next;
    this.#options = options;
  }

  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0) this.#next.onEnd(span);
    else if (this.#isWorthKeeping(span) && this.#hasRoom()) this.#next.onEnd(marked(span));
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }

  #isWorthKeeping({ status, duration }: ReadableSpan): boolean {
    return status.code === SpanStatusCode.ERROR || hrTimeToMilliseconds(duration) > this.#options.slowMs;
  }

  #hasRoom(): boolean {
    const second = Math.floor(this.#options.now() / 1_000);
    if (second !== this.#second) this.#kept = 0;
    this.#second = second;
    return ++this.#kept <= MAX_KEPT_PER_SECOND;
  }
}

/** The same span as if it had been sampled: exporters pass over what is not. */
const marked = (span: ReadableSpan): ReadableSpan => {
  const spanContext = { ...span.spanContext(), traceFlags: span.spanContext().traceFlags | TraceFlags.SAMPLED };
  return Object.create(span, { spanContext: { value: () => spanContext } }) as ReadableSpan;
};
