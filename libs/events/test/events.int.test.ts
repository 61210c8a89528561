import { jetstreamManager } from '@nats-io/jetstream';
import { connect as rawConnect } from '@nats-io/transport-node';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { EVENTS } from '@godwit/bus/streams';
import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EventRecorder } from '../src/event-recorder.js';
import { READ_BOUND, readFacts } from '../src/read-facts.js';

const metrics = createMetrics({ service: 'router', node: 'router-0', processMetrics: false });
const chat = groupConversation(newId());
const factOf = (conversationId: string, seq: number): Fact => ({
  timeMs: Date.now(),
  conversationId,
  seq,
  userId: newId(),
  deviceId: newId(),
  what: { $case: 'announced', value: { recipients: 2, offline: 1 } },
});
const all = { conversationId: chat, atMs: 1, wanted: () => true };

let namespace: string;
let bus: Bus;
let recorder: EventRecorder;
beforeEach(async () => {
  namespace = uniqueNamespace();
  const { natsUrl: url } = testServers();
  bus = connectBus({ url, namespace, name: 'router-0', logger: silentLogger, metrics, streams: [EVENTS] });
  recorder = new EventRecorder({ bus, service: 'router', origin: 'router-0', metrics, gapMs: 5 });
  await waitFor(() => bus.connected, { what: 'NATS' });
});
afterEach(async () => {
  await recorder.stop();
  await bus.close();
});

const recorded = () => waitFor(() => recorder.pending === 0, { what: 'the facts to be stored' });

it('facts are read back by conversation, in order, with who noticed them', async () => {
  recorder.record(factOf(chat, 1));
  recorder.record(factOf(groupConversation(newId()), 7));
  await recorded();
  recorder.record(factOf(chat, 2));
  await recorded();
  const { facts } = await readFacts(bus, all);
  expect(facts.map(({ origin, fact }) => [origin, fact.seq])).toEqual([
    ['router-0', 1],
    ['router-0', 2],
  ]);
  const later = await readFacts(bus, { ...all, wanted: ({ seq }) => seq === 2 });
  expect(later.facts).toHaveLength(1);
});

it('says how far it could look back', async () => {
  recorder.record(factOf(chat, 1));
  await recorded();
  // The stream has begun after 1970.
  expect(await readFacts(bus, all)).toMatchObject({ coverage: 'too-old', facts: [{ fact: { seq: 1 } }] });
  const now = Date.now();
  expect(await readFacts(bus, { ...all, atMs: now })).toMatchObject({ coverage: 'read', facts: [{}] });
  expect(await readFacts(bus, { ...all, atMs: now + 120_000 })).toEqual({ coverage: 'read', facts: [] });
});

it('ends at its bounds, and says so', async () => {
  for (let seq = 1; seq <= 3; seq++) {
    recorder.record(factOf(chat, seq));
    await recorded();
  }
  const read = await readFacts(bus, all, { ...READ_BOUND, records: 2 });
  expect(read).toMatchObject({ coverage: 'bound-exceeded', facts: [{ fact: { seq: 1 } }, { fact: { seq: 2 } }] });
  expect(await readFacts(bus, all, { ...READ_BOUND, bytes: 10 })).toMatchObject({ coverage: 'bound-exceeded' });
});

it('an emptied stream, and NATS that is away, are told', async () => {
  recorder.record(factOf(chat, 1));
  await recorded();
  const raw = await rawConnect({ servers: testServers().natsUrl.split(',') });
  const manager = await jetstreamManager(raw);
  await manager.streams.purge(`${namespace}_EVENTS`);
  expect(await readFacts(bus, all)).toEqual({ coverage: 'too-old', facts: [] });
  await manager.streams.delete(`${namespace}_EVENTS`);
  expect(await readFacts(bus, all)).toEqual({ coverage: 'unavailable', facts: [] });
  await raw.close();
});
