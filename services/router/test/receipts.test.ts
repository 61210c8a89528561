import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MarkMove } from '../src/domain/ports.js';
import { audienceOf, mergeMoves, type Movement } from '../src/domain/receipts.js';

const mark = (deliveredSeq: number, readSeq: number) => ({
  conversationId: 'c',
  userId: 'reader',
  deliveredSeq,
  readSeq,
});

describe('receipts', () => {
  it('merge to the newest marks over the whole distance, in any order', () => {
    const moves = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 8 }).map((raises) => {
      let at = mark(0, 0);
      return raises.map(([delivered, read]): MarkMove => {
        const next = mark(Math.max(at.deliveredSeq, delivered), Math.max(at.readSeq, read));
        const move = { mark: next, previousDeliveredSeq: at.deliveredSeq, previousReadSeq: at.readSeq };
        at = next;
        return move;
      });
    });
    const shuffled = moves.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([inOrder, other]) => {
        const merge = (list: readonly MarkMove[]): Movement | undefined =>
          list.reduce<Movement | undefined>((older, move) => mergeMoves(older, move), undefined);
        expect(merge(other)).toEqual(merge(inOrder));
        expect(merge(inOrder)).toEqual({ mark: inOrder.at(-1)?.mark, deliveredAfter: 0, readAfter: 0 });
      }),
    );
  });

  it('hide reads from whom the reader hides them, and say nothing where nothing is left to say', () => {
    const senders = new Set(['a', 'b', 'reader']);
    const shows = (userId: string) => userId === 'a';
    const both = audienceOf({ mark: mark(5, 4), deliveredAfter: 3, readAfter: 1 }, senders, shows);
    expect(both).toEqual([
      { userId: 'a', mark: mark(5, 4) },
      { userId: 'b', mark: mark(5, 0) },
      { userId: 'reader', mark: mark(5, 4) },
    ]);
    const readOnly = audienceOf({ mark: mark(5, 4), deliveredAfter: 5, readAfter: 1 }, senders, shows);
    expect(readOnly.map(({ userId }) => userId)).toEqual(['a', 'reader']);
  });
});
