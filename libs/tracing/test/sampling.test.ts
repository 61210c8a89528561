import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it } from 'vitest';
import { openTelemetry } from '../src/open-telemetry.js';
import { HeadSampler, KeepingProcessor, MAX_KEPT_PER_SECOND } from '../src/sampling.js';
import type { StartSpan } from '../src/spans.js';

const NEVER_SLOW = 60_000;
/** Less than nothing: whatever takes any time at all is slow. */
const ALWAYS_SLOW = -1;

const traced = ({ ratio = 0, slowMs = NEVER_SLOW, now = (): number => 0 } = {}) => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({
    sampler: new HeadSampler(ratio),
    spanProcessors: [new KeepingProcessor(new SimpleSpanProcessor(exporter), { slowMs, now })],
  });
  return {
    startSpan: openTelemetry(provider.getTracer('test')),
    kept: () => exporter.getFinishedSpans(),
    names: () => exporter.getFinishedSpans().map(({ name }) => name),
  };
};

const SAMPLED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const through = (startSpan: StartSpan, parent: string): string => {
  const span = startSpan('router.send', parent);
  span?.end({});
  return span?.traceparent ?? '';
};

describe('what is kept', () => {
  it('is what failed, whatever the ratio', () => {
    const { startSpan, kept } = traced();
    startSpan('router.send', '')?.end({ 'godwit.outcome': 'BLOCKED' });
    startSpan('edge.send', '')?.fail({ 'godwit.outcome': 'UNAVAILABLE', 'godwit.seq': 7 });
    expect(kept()).toMatchObject([
      { name: 'edge.send', status: { code: 2, message: 'UNAVAILABLE' }, attributes: { 'godwit.seq': 7 } },
    ]);
    expect(kept()[0]?.spanContext().traceFlags).toBe(1);
  });

  it('is what was slow, with its times', () => {
    const { startSpan, kept } = traced({ slowMs: ALWAYS_SLOW });
    through(startSpan, '');
    expect(kept()).toHaveLength(1);
    expect(kept()[0]?.ended).toBe(true);
    expect(kept()[0]?.duration[0]).toBe(0);
  });

  it('is no more than so many a second of the failed and slow, and all that are sampled', () => {
    let now = 5_000;
    const { startSpan, names } = traced({ now: () => now });
    for (let i = 0; i < MAX_KEPT_PER_SECOND + 20; i++) startSpan('edge.send', '')?.fail({});
    expect(names()).toHaveLength(MAX_KEPT_PER_SECOND);
    through(startSpan, SAMPLED);
    expect(names().at(-1)).toBe('router.send');
    now = 6_000;
    startSpan('edge.send', '')?.fail({});
    expect(names()).toHaveLength(MAX_KEPT_PER_SECOND + 2);
  });

  it('is what belongs below a kept parent, and nothing else at ratio 0', () => {
    const { startSpan, kept } = traced();
    const below = through(startSpan, SAMPLED);
    through(startSpan, SAMPLED.replace(/1$/, '0'));
    expect(kept()).toHaveLength(1);
    expect(kept()[0]?.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true });
    expect(below).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  });

  it('is not for clients to say: their trace goes on, their flag does not', () => {
    const { startSpan, kept } = traced();
    const span = startSpan('edge.send', SAMPLED);
    span?.end({});
    expect(span?.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
    expect(span?.isSampled).toBe(false);
    expect(kept()).toEqual([]);
  });

  it('is everything at ratio 1, and the same traces in every process of a ratio', () => {
    const all = traced({ ratio: 1 });
    const [one, other] = [traced({ ratio: 0.5 }), traced({ ratio: 0.5 })];
    for (let i = 0; i < 200; i++) {
      const parent = through(all.startSpan, '').replace(/1$/, '0');
      through(one.startSpan, parent);
      through(other.startSpan, parent);
    }
    expect(all.kept()).toHaveLength(200);
    const idsOf = (side: typeof one) => side.kept().map((span) => span.spanContext().traceId);
    expect(idsOf(one)).toEqual(idsOf(other));
    expect(idsOf(one).length).toBeGreaterThan(20);
    expect(idsOf(one).length).toBeLessThan(180);
  });
});

describe('a span', () => {
  it('begins a trace where the parent is none', () => {
    const { startSpan, kept } = traced({ ratio: 1 });
    for (const parent of ['', 'x', '00-zz-1', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, SAMPLED.repeat(1_000)]) {
      through(startSpan, parent);
    }
    expect(kept().map(({ parentSpanContext }) => parentSpanContext)).toEqual(Array(5).fill(undefined));
  });

  it('has no traceparent while an app has no SDK of OpenTelemetry', () => {
    expect(openTelemetry(trace.getTracer('nobody'))('client.send', '')?.traceparent).toBe('');
  });
});
