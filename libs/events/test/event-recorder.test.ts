import type { StoreOptions } from '@godwit/bus/bus';
import { EVENT_SLOTS, type StoredSubject } from '@godwit/bus/subjects';
import { newId } from '@godwit/ids/id';
import { groupConversation } from '@godwit/ids/conversation';
import { FactBatch, type Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { createMetrics } from '@godwit/telemetry/metrics';
import { waitFor } from '@godwit/testkit/wait-for';
import { expect, it } from 'vitest';
import { EventRecorder, type EventRecorderOptions } from '../src/event-recorder.js';
import { slotOf } from '../src/slot.js';

const factOf = (conversationId: string, seq: number): Fact => ({
  timeMs: 1_000,
  conversationId,
  seq,
  userId: 'u',
  deviceId: '',
  what: { $case: 'announced', value: { recipients: 2, offline: 1 } },
});

/** A bus that is away for as long as it is told. */
class FakeBus {
  away = false;
  readonly stored: { subject: string; batch: FactBatch; traceparent: string | undefined }[] = [];

  store = (subject: StoredSubject, payload: Uint8Array, { traceparent }: StoreOptions = {}): Promise<void> => {
    if (this.away) return Promise.reject(new Error('away'));
    this.stored.push({ subject, batch: FactBatch.decode(payload), traceparent });
    return Promise.resolve();
  };

  get seqs(): number[] {
    return this.stored.flatMap(({ batch }) => batch.facts.map(({ seq }) => seq));
  }
}

const open = (bus: FakeBus, options: Partial<EventRecorderOptions> = {}) => {
  const metrics = createMetrics({ service: 'router', node: 'router-0', processMetrics: false });
  const recorder = new EventRecorder({ bus, service: 'router', origin: 'router-0', metrics, gapMs: 1, ...options });
  const count = async (outcome: string): Promise<number> => {
    const line = (await metrics.registry.metrics()).split('\n').find((one) => one.includes(`outcome="${outcome}"`));
    return Number(line?.split(' ').at(-1) ?? 'NaN');
  };
  return { recorder, count };
};

it('stores one record a slot and flush, in order', async () => {
  const bus = new FakeBus();
  const { recorder, count } = open(bus);
  const one = groupConversation(newId());
  let other = groupConversation(newId());
  while (slotOf(other) === slotOf(one)) other = groupConversation(newId());
  for (const [conversationId, seq] of [[one, 1] as const, [other, 2] as const, [one, 3] as const]) {
    recorder.record(factOf(conversationId, seq));
  }
  expect(bus.stored).toEqual([]);
  await waitFor(() => bus.stored.length === 2);
  expect(bus.stored.map(({ subject }) => subject)).toEqual([
    `events.router.${String(slotOf(one))}`,
    `events.router.${String(slotOf(other))}`,
  ]);
  // In no trace: what there is belongs to many messages.
  expect(bus.stored.map(({ traceparent }) => traceparent)).toEqual(['', '']);
  expect(bus.stored[0]?.batch).toMatchObject({ origin: 'router-0', dropped: 0, facts: [{ seq: 1 }, { seq: 3 }] });
  await recorder.stop();
  expect(await count('recorded')).toBe(3);
  expect(await count('dropped')).toBe(0);
});

it('keeps facts while NATS is away, up to its bound, and tells how many it dropped', async () => {
  const bus = new FakeBus();
  bus.away = true;
  const { recorder, count } = open(bus, { maxFacts: 10 });
  for (let seq = 1; seq <= 25; seq++) recorder.record(factOf('g:x', seq));
  await new Promise((resolve) => setImmediate(resolve));
  expect(recorder.pending).toBe(10);
  expect(await count('dropped')).toBe(15);
  bus.away = false;
  await waitFor(() => bus.stored.length > 0);
  expect(bus.seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(bus.stored[0]?.batch.dropped).toBe(15);
  recorder.record(factOf('g:x', 26));
  await waitFor(() => bus.stored.length > 1);
  expect(bus.stored[1]?.batch.dropped).toBe(0);
  await recorder.stop();
});

it('bounds a record, and stores the rest in others', async () => {
  const bus = new FakeBus();
  const { recorder } = open(bus);
  for (let seq = 1; seq <= 1_200; seq++) recorder.record(factOf('g:x', seq));
  await recorder.stop();
  expect(bus.stored.map(({ batch }) => batch.facts.length)).toEqual([500, 500, 200]);
  expect(bus.seqs).toEqual(Array.from({ length: 1_200 }, (_, index) => index + 1));
});

it('stops without waiting for a bus that is away', async () => {
  const bus = new FakeBus();
  bus.away = true;
  const { recorder, count } = open(bus);
  recorder.record(factOf('g:x', 1));
  await recorder.stop();
  expect(recorder.pending).toBe(0);
  expect(await count('dropped')).toBe(1);
});

it('spreads conversations over all slots', () => {
  const slots = new Set(Array.from({ length: 1_000 }, () => slotOf(groupConversation(newId()))));
  expect(slots.size).toBe(EVENT_SLOTS);
});
