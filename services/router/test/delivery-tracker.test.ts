import { describe, expect, it } from 'vitest';
import { ANSWER_MS, DeliveryTracker } from '../src/domain/delivery-tracker.js';

const tracked = () => {
  const world = { now: 1_000 };
  const tracker = new DeliveryTracker({ now: () => world.now, monotonic: () => world.now });
  const lost: number[] = [];
  const send = (): number => {
    const seq = lost.length;
    const message = { conversationId: 'c', seq, serverTimeMs: 1, envelope: new Uint8Array(), traceparent: '' };
    let id = 0;
    id = tracker.sent([
      { message, targets: [], answered: (notHere) => (notHere === 'no-answer' ? lost.push(id) : undefined) },
    ]);
    return id;
  };
  const pass = (ms: number): void => {
    world.now += ms;
    tracker.sweep();
  };
  return { tracker, lost, send, pass };
};

describe('DeliveryTracker', () => {
  it('gives up on what is not answered in time by an edge that says nothing', () => {
    const { lost, send, pass } = tracked();
    const batch = send();
    pass(ANSWER_MS - 1);
    expect(lost).toEqual([]);
    pass(1);
    expect(lost).toEqual([batch]);
  });

  it('gives up in time on what was passed over', () => {
    const { tracker, lost, send, pass } = tracked();
    const [batch, later] = [send(), send()];
    pass(ANSWER_MS - 1);
    tracker.answer(later, []);
    pass(1);
    expect(lost).toEqual([batch]);
  });

  it('waits for an edge that is late and on its way there, but not for ever', () => {
    const { tracker, lost, send, pass } = tracked();
    const batches = Array.from({ length: 6 }, send);
    for (const batch of batches.slice(0, 4)) {
      pass(ANSWER_MS / 2);
      tracker.answer(batch, []);
    }
    pass(ANSWER_MS / 2 - 1);
    expect(lost).toEqual([]);
    pass(1);
    expect(lost).toEqual(batches.slice(4));
  });
});
