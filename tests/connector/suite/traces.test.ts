import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { waitFor } from '@godwit/testkit/wait-for';
import { startSpan } from '@godwit/tracing/spans';
import { startTracing, type Tracing } from '@godwit/tracing/start-tracing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TraceBackend } from './trace-backend.js';
import { Collector, OTELCOL, validate } from './trace-collector.js';
import { traceIdOf, traceparentOf } from './trace-ids.js';

const ORDINARY = 10_000;
/** More than what is slow in the file. */
const SLOW_MS = 1_100;
const WHOLE = ['edge.send', 'router.send'];
/** So that a test is short: decides after a second, and asks a backend that is away soon again. */
const SOON = [
  'processors::tail_sampling::decision_wait: 1s',
  'exporters::otlp_http::retry_on_failure::initial_interval: 100ms',
];
const problems: string[] = [];
let tracing: Tracing;
let port: number;
let backend: TraceBackend;
let collector: Collector | undefined;

beforeAll(async () => {
  port = await freePort();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://${LOOPBACK}:${String(port)}`);
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '50');
  vi.stubEnv('OTEL_BSP_MAX_QUEUE_SIZE', String(4 * ORDINARY));
  tracing = startTracing({
    ...{ service: 'edge', version: '1', node: 'edge-0', namespace: 'godwit', ratio: 1, slowMs: SLOW_MS },
    onProblem: (problem) => problems.push(problem),
  });
});
beforeEach(async () => {
  backend = await TraceBackend.planned();
});
afterEach(async () => {
  await collector?.stop();
  backend.close();
  expect(problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await tracing.stop();
  vi.unstubAllEnvs();
});

const collect = async (...changes: string[]): Promise<Collector> => {
  collector = await Collector.start({ port, backend: backend.url, changes });
  return collector;
};

const idsOf = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => traceIdOf(what, index));

/** A message of a trace of its own, as far as its sender is told. */
const send = (traceId: string, outcome: 'stored' | 'UNAVAILABLE' = 'stored'): void => {
  const edge = startSpan('edge.send', traceparentOf(traceId));
  const router = startSpan('router.send', edge?.traceparent ?? '');
  if (outcome === 'stored') router?.end({ 'godwit.outcome': outcome });
  else router?.fail({ 'godwit.outcome': outcome });
  edge?.end({ 'godwit.outcome': outcome });
};

const wholeAtBackend = (ids: readonly string[]): Promise<boolean> =>
  waitFor(() => ids.every((id) => backend.traces().get(id)?.length === WHOLE.length), {
    what: `${String(ids.length)} traces to be at the backend`,
    timeoutMs: 30_000,
  });

it.skipIf(OTELCOL === undefined)(
  'the file is a configuration that a collector takes, with a backend only',
  async () => {
    const taken = await validate({ GODWIT_TRACES_BACKEND: backend.url });
    expect(taken).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await validate({})).toMatchObject({ code: 1 });
  },
);

describe.skipIf(OTELCOL === undefined)('traces that a collector chooses from', () => {
  it('are whole ones of what failed or was slow, and one of a hundred others', async () => {
    const [ordinary, failed, slow] = [idsOf('ordinary', ORDINARY), idsOf('failed', 20), idsOf('slow', 20)];
    await backend.open();
    const running = await collect();
    for (const id of slow) startSpan('edge.send', traceparentOf(id))?.end({});
    const began = performance.now();
    for (const id of failed) send(id, 'UNAVAILABLE');
    for (const id of ordinary) send(id);
    await waitFor(() => performance.now() - began > SLOW_MS, { what: 'what is not at its end to be slow' });
    for (const id of slow) startSpan('router.send', traceparentOf(id))?.end({});
    await running.counted('otelcol_receiver_accepted_spans', 2 * (ORDINARY + failed.length + slow.length));
    // In order: it decides on all it has, and what it keeps is sent when it has ended.
    await running.stop();
    const traces = backend.traces();
    for (const id of [...failed, ...slow]) expect(traces.get(id)).toEqual(WHOLE);
    const share = ordinary.filter((id) => traces.has(id));
    for (const id of share) expect(traces.get(id)).toEqual(WHOLE);
    expect(share.length).toBeGreaterThan(0.007 * ORDINARY);
    expect(share.length).toBeLessThan(0.013 * ORDINARY);
    expect(traces.size).toBe(share.length + failed.length + slow.length);
    expect(backend.paths).toEqual(new Set(['/v1/traces']));
    expect(await running.log()).not.toMatch(/\t(warn|error)\t/);
  });

  it('wait for a backend that is away, then too busy', async () => {
    const running = await collect(...SOON);
    const ids = idsOf('failed while nobody took it', 300);
    for (const id of ids) send(id, 'UNAVAILABLE');
    await waitFor(async () => (await running.log()).includes('connection refused'), { timeoutMs: 30_000 });
    backend.busy = true;
    await backend.open();
    await waitFor(() => backend.refused > 0, { timeoutMs: 30_000 });
    expect(backend.spans).toEqual([]);
    backend.busy = false;
    await wholeAtBackend(ids);
    expect(backend.spans).toHaveLength(WHOLE.length * ids.length);
  });

  it('go the way they went with what comes later, when they themselves are forgotten', async () => {
    await backend.open();
    const running = await collect(...SOON, 'processors::tail_sampling::num_traces: 10');
    const [dropped, kept] = [traceIdOf('ordinary, acked late'), traceIdOf('failed, acked late')];
    send(dropped);
    send(kept, 'UNAVAILABLE');
    await running.counted('otelcol_processor_tail_sampling_global_count_traces_sampled', 2);
    for (const id of idsOf('meanwhile', 10)) send(id);
    await running.counted('otelcol_receiver_accepted_spans', 24);
    startSpan('edge.ack', traceparentOf(dropped))?.fail({});
    startSpan('edge.ack', traceparentOf(kept))?.end({});
    await running.counted('otelcol_receiver_accepted_spans', 26);
    await running.stop();
    expect(backend.traces().get(dropped)).toBeUndefined();
    expect(backend.traces().get(kept)).toEqual(['edge.ack', ...WHOLE]);
  });

  it('are lost where more wait than there is room for, and counted', async () => {
    await backend.open();
    const running = await collect(...SOON, 'processors::tail_sampling::num_traces: 10');
    for (const id of idsOf('failed where there was no room', 30)) send(id, 'UNAVAILABLE');
    await running.counted('otelcol_processor_tail_sampling_sampling_trace_dropped_too_early', 20);
    await running.stop();
    expect([...backend.traces().values()]).toEqual(Array(10).fill(WHOLE));
  });
});
