import { create } from '@bufbuild/protobuf';
import { DeliverSchema } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Inbox, type Arrival } from '../src/inbox.js';

const message = (seq: number): Arrival => ({
  kind: 'message',
  deliver: create(DeliverSchema, { conversationId: 'g:x', seq: BigInt(seq) }),
});

describe('Inbox', () => {
  it('shows each message once and in order, whatever the order, repetition and holes of arrival', () => {
    const world = fc.integer({ min: 1, max: 40 }).chain((head) =>
      fc.record({
        head: fc.constant(head),
        gone: fc.uniqueArray(fc.integer({ min: 1, max: head })),
        arrivals: fc.array(fc.integer({ min: 1, max: head }), { maxLength: 120 }),
      }),
    );
    fc.assert(
      fc.property(world, ({ head, gone, arrivals }) => {
        const inbox = new Inbox('g:x', 0);
        const isGone = new Set(gone);
        const shown: number[] = [];
        const arrive = (seq: number): void => {
          const now = isGone.has(seq) ? inbox.skip({ from: seq, to: seq }, 0) : inbox.accept(seq, message(seq), 0);
          shown.push(...now.map((deliver) => Number(deliver.seq)));
        };
        for (const seq of arrivals) {
          arrive(seq);
          // What was shown is a gapless run of what is not gone.
          expect(shown).toEqual([...Array(inbox.seen).keys()].map((i) => i + 1).filter((s) => !isGone.has(s)));
        }
        for (let seq = 1; seq <= head; seq += 1) arrive(seq);
        expect(inbox.seen).toBe(head);
        expect(inbox.waiting).toBe(0);
      }),
    );
  });

  it('asks for a hole after a second, and again after two, four, ... 30', () => {
    const inbox = new Inbox('g:x', 3);
    inbox.accept(6, message(6), 1_000);
    expect(inbox.takeHole(1_999)).toBeUndefined();
    expect(inbox.takeHole(2_000)).toEqual({ from: 4, to: 5 });
    expect(inbox.takeHole(3_999)).toBeUndefined();
    expect(inbox.takeHole(4_000)).toEqual({ from: 4, to: 5 });
    expect(inbox.takeHole(7_999)).toBeUndefined();
    for (let now = 8_000; now < 200_000; now += 30_000) expect(inbox.takeHole(now)).toEqual({ from: 4, to: 5 });
    inbox.skip({ from: 4, to: 5 }, 200_000);
    expect(inbox.seen).toBe(6);
    expect(inbox.hasHole).toBe(false);
    expect(inbox.takeHole(900_000)).toBeUndefined();
  });

  it('starts to count anew for a hole that opens later, or after it came a step further', () => {
    const inbox = new Inbox('g:x', 0);
    inbox.accept(3, message(3), 0);
    expect(inbox.takeHole(1_000)).toEqual({ from: 1, to: 2 });
    inbox.accept(1, message(1), 1_500);
    expect(inbox.takeHole(2_400)).toBeUndefined();
    expect(inbox.takeHole(2_500)).toEqual({ from: 2, to: 2 });
    inbox.accept(2, message(2), 2_600);
    inbox.accept(9, message(9), 10_000);
    expect(inbox.takeHole(10_900)).toBeUndefined();
    expect(inbox.takeHole(11_000)).toEqual({ from: 4, to: 8 });
  });

  it('keeps a bounded number waiting, and asks for the rest when their turn comes', () => {
    const inbox = new Inbox('g:x', 0);
    for (let seq = 2; seq <= 3_000; seq += 1) inbox.accept(seq, message(seq), 0);
    expect(inbox.waiting).toBe(1_000);
    expect(inbox.accept(1, message(1), 0)).toHaveLength(1_001);
    expect(inbox.seen).toBe(1_001);
    expect(inbox.takeHole(1_000)).toEqual({ from: 1_002, to: 3_000 });
  });

  it('shows what it has of a range that has gone in between', () => {
    const inbox = new Inbox('g:x', 0);
    inbox.accept(3, message(3), 0);
    inbox.accept(7, message(7), 0);
    expect(inbox.skip({ from: 1, to: 5 }, 0).map(({ seq }) => seq)).toEqual([3n]);
    expect(inbox.seen).toBe(5);
    expect(inbox.skip({ from: 6, to: 6 }, 0).map(({ seq }) => seq)).toEqual([7n]);
  });

  it('does not show an own message, and passes over it', () => {
    const inbox = new Inbox('g:x', 0);
    expect(inbox.accept(2, message(2), 0)).toEqual([]);
    expect(inbox.accept(1, { kind: 'own' }, 0).map((deliver) => deliver.seq)).toEqual([2n]);
    expect(inbox.accept(1, message(1), 0)).toEqual([]);
  });

  it('a position fills what came before it', () => {
    const inbox = new Inbox('g:x', 0);
    inbox.accept(501, message(501), 0);
    expect(inbox.skip({ from: 1, to: 500 }, 0).map((deliver) => deliver.seq)).toEqual([501n]);
  });
});
