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

  it('asks for a hole after the time given, and again after the same time', () => {
    const inbox = new Inbox('g:x', 3);
    inbox.accept(6, message(6), 1_000);
    expect(inbox.takeHole(1_999, 1_000)).toBeUndefined();
    expect(inbox.takeHole(2_000, 1_000)).toEqual({ from: 4, to: 5 });
    expect(inbox.takeHole(2_500, 1_000)).toBeUndefined();
    expect(inbox.takeHole(3_000, 1_000)).toEqual({ from: 4, to: 5 });
    inbox.skip({ from: 4, to: 5 }, 3_100);
    expect(inbox.seen).toBe(6);
    expect(inbox.takeHole(9_000, 1_000)).toBeUndefined();
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
