import { privateConversation } from '@godwit/ids/conversation';
import type { ForeignClient, Json } from '@godwit/fleet-tests/foreign-client';
import { device, fleetOfFile, type Person } from '@godwit/fleet-tests/people';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExportedSpan } from './exported-spans.js';
import { TraceBackend } from './trace-backend.js';
import { Collector, OTELCOL } from './trace-collector.js';
import { traceIdOf, traceparentOf } from './trace-ids.js';

/** More than what is slow in the file. */
const SLOW_MS = 1_100;
/** From the first span of a trace it is 15 s until it is decided on, and loaded machines take longer. */
const DECIDED = { timeoutMs: 60_000 };
/** By their ids none of them belongs to the share. */
const [ORDINARY, SLOW, FAILED] = [
  traceIdOf('of a fleet'),
  traceIdOf('slow of a fleet'),
  traceIdOf('failed of a fleet'),
];
const WHOLE = [
  ...['edge.ack', 'edge.ack', 'edge.deliver', 'edge.send'],
  ...['message-store.append', 'router.fan_out', 'router.send'],
];

describe.skipIf(OTELCOL === undefined)('the traces of a fleet', async () => {
  const port = await freePort();
  let backend: TraceBackend;
  let collector: Collector;

  beforeAll(async () => {
    backend = await TraceBackend.planned();
    await backend.open();
    collector = await Collector.start({ port, backend: backend.url });
  });
  const fleet = fleetOfFile({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${LOOPBACK}:${String(port)}`,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=tests',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      GODWIT_TRACE_RATIO: '1',
      GODWIT_ROUTER_SEND_DEADLINE: '300ms',
    },
  });
  afterAll(async () => {
    await collector.stop();
    backend.close();
  });

  const send = (from: ForeignClient, [a, b]: readonly (Person | undefined)[], traceId: string): Promise<Json> => {
    const conversationId = privateConversation(a?.userId ?? '', b?.userId ?? '');
    const payload = { text: { text: 'which way?' } };
    const message = { conversationId, clientMessageId: traceId, metadata: { kind: 'KIND_TEXT' }, payload };
    return from.ask({ send: { ...message, traceparent: traceparentOf(traceId) } });
  };
  const quietly = async (person: Person | undefined, index = 0): Promise<ForeignClient> => {
    const client = await fleet().foreign(device(person, index));
    client.silent = true;
    return client;
  };
  /** Meanwhile no store answers. */
  const failing = async (ask: () => Promise<Json>): Promise<void> => {
    const stores = fleet().stack.replicas.filter(({ service }) => service.service === 'message-store');
    for (const { name } of stores) fleet().stack.pause(name);
    const answer = await ask();
    for (const { name } of stores) fleet().stack.resume(name);
    expect(answer).toMatchObject({ error: { reason: 'UNAVAILABLE' } });
  };
  const droppedLate = (): Promise<number> =>
    collector.metric('otelcol_processor_tail_sampling_early_releases_from_cache_decision', 'sampled="false"');
  const kept = (traceId: string): ExportedSpan[] => backend.spans.filter((span) => span.traceId === traceId);
  const namesOf = (traceId: string): string[] => backend.traces().get(traceId) ?? [];
  const acks = (traceId: string): number => namesOf(traceId).filter((name) => name === 'edge.ack').length;

  it('reach the backend whole if something failed or was slow, also what comes later, and else not at all', async () => {
    const [alice, bob, carol] = await fleet().people(3, 2);
    const a = await fleet().foreign(device(alice));
    const [phone, tablet, hers] = await Promise.all([quietly(bob), quietly(bob, 1), quietly(carol)]);
    expect(await send(a, [alice, carol], ORDINARY)).toHaveProperty('sendAck');
    const sent = await send(a, [alice, bob], SLOW);
    expect(sent).toHaveProperty('sendAck');
    const began = performance.now();
    await failing(() => send(a, [alice, carol], FAILED));
    // One device of two acks late, the other only when all is decided.
    await waitFor(() => performance.now() - began > SLOW_MS, { what: 'an ack to be late' });
    phone.silent = false;
    await waitFor(() => acks(SLOW) > 0 && namesOf(FAILED).length > 1, { what: 'what is kept', ...DECIDED });
    tablet.silent = false;
    await waitFor(() => acks(SLOW) === 2, { what: 'the late ack', ...DECIDED });
    const passedOver = await droppedLate();
    hers.silent = false;
    await waitFor(async () => (await droppedLate()) > passedOver, { what: 'an ack of what was not kept', ...DECIDED });
    await collector.stop();
    expect(namesOf(SLOW)).toEqual(WHOLE);
    expect(namesOf(FAILED)).toEqual(expect.arrayContaining(['edge.send', 'router.send']));
    expect(
      kept(FAILED)
        .filter(({ failed }) => failed)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['edge.send', 'router.send']);
    expect(namesOf(ORDINARY)).toEqual([]);
    expect(kept(SLOW).find(({ name }) => name === 'router.send')).toMatchObject({
      attributes: { 'godwit.outcome': 'stored', 'godwit.seq': (sent['sendAck'] as Json)['seq'] },
      resource: {
        'service.name': 'router',
        'service.namespace': 'godwit',
        'service.instance.id': expect.stringMatching(/^router-\d$/) as unknown,
        'deployment.environment.name': 'tests',
      },
    });
  });
});
