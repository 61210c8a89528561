import { privateConversation } from '@godwit/ids/conversation';
import { waitFor } from '@godwit/testkit/wait-for';
import { openTelemetry } from '@godwit/tracing/open-telemetry';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, describe, expect, it } from 'vitest';
import { OtlpReceiver, type ReceivedSpan } from './otlp-receiver.js';
import { device, fleetOfFile } from './people.js';

const whole = await OtlpReceiver.start();
const sparse = await OtlpReceiver.start();
const app = new NodeTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${whole.url}/v1/traces` }))],
});
const startSpan = openTelemetry(app.getTracer('app'));

afterAll(async () => {
  await app.shutdown();
  whole.close();
  sparse.close();
});

const environment = (receiver: OtlpReceiver, ratio: string, slowMs: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  OTEL_BSP_SCHEDULE_DELAY: '50',
  GODWIT_TRACE_RATIO: ratio,
  GODWIT_TRACE_SLOW_MS: slowMs,
});

/** Name of each span to the names of those right below it, of the trace of one message. */
const treeOf = (spans: readonly ReceivedSpan[]): Record<string, string[]> => {
  const tree: Record<string, string[]> = {};
  for (const { name, parentSpanId } of spans) {
    const above = parentSpanId === '' ? 'nobody' : spans.find(({ spanId }) => spanId === parentSpanId)?.name;
    (tree[above ?? 'a span that is not there'] ??= []).push(name);
  }
  for (const names of Object.values(tree)) names.sort();
  return tree;
};

/** The spans of a message's trace, as soon as there are so many. */
const traceOf = async (conversationId: string, seq: number, count: number): Promise<ReceivedSpan[]> => {
  const isSend = ({ attributes }: ReceivedSpan): boolean =>
    attributes['godwit.conversation_id'] === conversationId && attributes['godwit.seq'] === String(seq);
  const found = (): ReceivedSpan[] => {
    const traceId = whole.named('client.send').find(isSend)?.traceId;
    return whole.spans.filter((span) => span.traceId === traceId);
  };
  await waitFor(() => found().length >= count, { what: 'the spans' }).catch(() => undefined);
  return found();
};

describe('with every trace kept', () => {
  const fleet = fleetOfFile({ env: environment(whole, '1', '60000') });

  it('a message to one who is online is one trace, from the sender to the recipient and its ack', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice), { startSpan, edges: [fleet().edge(0)] });
    const b = await fleet().sdk(device(bob), { startSpan, edges: [fleet().edge(1)] });
    const { seq } = await a.client.send(conversation, { text: 'which way?' });
    await waitFor(() => b.texts(conversation).length === 1);
    const trace = await traceOf(conversation, seq, 8);
    expect(treeOf(trace)).toEqual({
      nobody: ['client.send'],
      'client.send': ['edge.send'],
      'edge.send': ['router.send'],
      'router.send': ['message-store.append', 'router.fan_out'],
      'router.fan_out': ['edge.deliver'],
      'edge.deliver': ['client.receive', 'edge.ack'],
    });
    for (const { name, service, failed } of trace) {
      expect(failed, name).toBe(false);
      if (!name.startsWith('client.')) expect(service).toBe(name.slice(0, name.indexOf('.')));
    }
  });

  it('latencies name traces as exemplars', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice), { startSpan });
    const { seq } = await a.client.send(conversation, { text: 'how long?' });
    const [first] = await traceOf(conversation, seq, 5);
    const metricsOf = async (service: string): Promise<string> => {
      const replicas = fleet().stack.replicas.filter((replica) => replica.service.service === service);
      const pages = replicas.map(async ({ httpPort }) => {
        const response = await fetch(`http://127.0.0.1:${String(httpPort)}/metrics`);
        expect(response.headers.get('content-type')).toContain('application/openmetrics-text');
        return response.text();
      });
      return (await Promise.all(pages)).join('\n');
    };
    const exemplar = `# {trace_id="${first?.traceId ?? ''}",span_id="`;
    const hasExemplar = (page: string, metric: string): boolean =>
      page.split('\n').some((line) => line.startsWith(`${metric}_bucket{`) && line.includes(exemplar));
    expect(hasExemplar(await metricsOf('edge'), 'godwit_edge_send_seconds')).toBe(true);
    await waitFor(async () => hasExemplar(await metricsOf('router'), 'godwit_router_fan_out_seconds'));
  });

  it('a message to a group is one trace with a branch for every edge', async () => {
    const people = await fleet().people(3);
    const clients = await Promise.all(
      people.map((person, i) => fleet().sdk(device(person), { startSpan, edges: [fleet().edge(i)] })),
    );
    const [a, b, c] = clients;
    const memberUserIds = people.slice(1).map(({ userId }) => userId);
    const made = await a?.client.call('createGroup', { clientRequestId: 'birds', name: 'Birds', memberUserIds });
    const conversation = made?.group?.conversationId ?? '';
    const sent = await a?.client.send(conversation, { text: 'to the beach' });
    await waitFor(() => [b, c].every((one) => one?.texts(conversation).length === 1));
    const trace = await traceOf(conversation, sent?.seq ?? 0, 11);
    expect(treeOf(trace)).toEqual({
      nobody: ['client.send'],
      'client.send': ['edge.send'],
      'edge.send': ['router.send'],
      'router.send': ['message-store.append', 'router.fan_out'],
      'router.fan_out': ['edge.deliver', 'edge.deliver'],
      'edge.deliver': ['client.receive', 'client.receive', 'edge.ack', 'edge.ack'],
    });
  });

  it('a call is a span below its caller, with the messages that come of it', async () => {
    const [alice, bob] = await fleet().people(2);
    const a = await fleet().sdk(device(alice));
    const memberUserIds = [bob?.userId ?? ''];
    const made = await a.client.call('createGroup', { clientRequestId: 'owls', name: 'Owls', memberUserIds });
    const of = made.group?.conversationId;
    const append = (): ReceivedSpan | undefined =>
      whole.named('message-store.append').find(({ attributes }) => attributes['godwit.conversation_id'] === of);
    await waitFor(() => append() !== undefined);
    const trace = (): ReceivedSpan[] => whole.spans.filter(({ traceId }) => traceId === append()?.traceId);
    const names = ['godwit.group.v1.GroupService/CreateGroup', 'router.fan_out'];
    await waitFor(() => names.every((wanted) => trace().some(({ name }) => name === wanted)));
    const tree = treeOf(trace());
    const membership = 'godwit.router.v1.RouterService/AppendMembership';
    expect(tree['nobody']).toEqual(['godwit.group.v1.GroupService/CreateGroup']);
    expect(tree['godwit.group.v1.GroupService/CreateGroup']).toContain(membership);
    expect(tree[membership]).toEqual(expect.arrayContaining(['message-store.append', 'router.fan_out']));
  });

  it('the push for one who is away belongs to the trace of its message', async () => {
    const [alice, carol] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', carol?.userId ?? '');
    const a = await fleet().sdk(device(alice), { startSpan });
    const { seq } = await a.client.send(conversation, { text: 'call me' });
    const trace = await traceOf(conversation, seq, 6);
    expect(treeOf(trace)['router.fan_out']).toEqual(['process PUSH']);
    const push = trace.filter(({ service }) => service === 'push');
    expect(push.map(({ name, failed }) => ({ name, failed }))).toContainEqual({ name: 'process PUSH', failed: false });
  });

  it('a sender without a span, or with one that is none, begins at the edge', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const client = await fleet().foreign(device(alice));
    const payload = { text: { text: 'hello' } };
    const metadata = { kind: 'KIND_TEXT' };
    const send = { conversationId: conversation, clientMessageId: 'x', metadata, payload, traceparent: '00-zz-1' };
    expect(await client.ask({ send })).toHaveProperty('sendAck');
    const isIt = ({ attributes }: ReceivedSpan): boolean => attributes['godwit.conversation_id'] === conversation;
    await waitFor(() => whole.named('edge.send').some(isIt));
    expect(whole.named('edge.send').find(isIt)?.parentSpanId).toBe('');
  });
});

describe('with no trace kept', () => {
  const fleet = fleetOfFile({
    env: { ...environment(sparse, '0', '60000'), GODWIT_ROUTER_SEND_DEADLINE: '1s' },
    envOf: { 'message-store': { GODWIT_TRACE_SLOW_MS: '1' } },
  });

  it('what failed is, and what was slow', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice));
    await a.client.send(conversation, { text: 'one' });
    // The stores call everything slow that took a millisecond; nobody else anything.
    await waitFor(() => sparse.named('message-store.append').length > 0);
    expect(new Set(sparse.spans.map(({ service }) => service))).toEqual(new Set(['message-store']));
    const stores = fleet().stack.replicas.filter(({ service }) => service.service === 'message-store');
    for (const { name } of stores) fleet().stack.pause(name);
    const sending = a.client.send(conversation, { text: 'two' });
    const failure = { failed: true, attributes: { 'godwit.outcome': 'UNAVAILABLE' } };
    for (const name of ['router.send', 'edge.send']) {
      await waitFor(() => sparse.named(name).length > 0, { what: name });
      expect(sparse.named(name)).toContainEqual(expect.objectContaining({ failed: true }));
    }
    for (const { name } of stores) fleet().stack.resume(name);
    await sending;
    expect(sparse.named('edge.send')[0]).toMatchObject(failure);
    const [edge] = sparse.named('edge.send');
    // Each process decides for itself, but all say the same of what belongs together.
    expect(sparse.named('router.send').map(({ parentSpanId }) => parentSpanId)).toContain(edge?.spanId);
  });
});
