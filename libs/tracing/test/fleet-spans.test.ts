import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, expect, it } from 'vitest';
import { fleetSpans } from '../src/open-telemetry.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const { start, within, active } = fleetSpans(provider.getTracer('test'));

afterEach(() => {
  exporter.reset();
});
afterAll(() => provider.shutdown());

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

it('work is a span below its parent, and what is begun meanwhile is below it, also after a wait', async () => {
  const run = async () => {
    await Promise.resolve();
    start('router.send', '')?.end({});
    return active();
  };
  const inside = await within({ name: 'process PUSH', kind: 'CONSUMER', parent: PARENT, run });
  const [send, work] = exporter.getFinishedSpans();
  expect(work).toMatchObject({ name: 'process PUSH', parentSpanContext: { spanId: 'b7ad6b7169203331' } });
  expect(send?.parentSpanContext?.spanId).toBe(work?.spanContext().spanId);
  expect(inside).toEqual({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: work?.spanContext().spanId,
    traceparent: `00-0af7651916cd43dd8448eb211c80319c-${work?.spanContext().spanId ?? ''}-01`,
  });
  expect(active()).toBeUndefined();
});

it('work that fails is a failed span, unless its failure is the fault of who asked', async () => {
  const work = { name: 'x', kind: 'SERVER', parent: '', run: () => Promise.reject(new RangeError('no')) } as const;
  await expect(within(work)).rejects.toThrow('no');
  await expect(within({ ...work, isFailure: (error) => !(error instanceof RangeError) })).rejects.toThrow('no');
  expect(exporter.getFinishedSpans().map(({ status }) => status.code)).toEqual([2, 0]);
});
