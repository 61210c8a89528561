import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Confirmations } from '../src/domain/confirmations.js';

describe('confirmations', () => {
  it('never cover what is not done, and in the end cover all', () => {
    const order = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(order, fc.infiniteStream(fc.nat()), (seqs, random) => {
        const confirmed: number[] = [];
        const confirmations = new Confirmations((_node, _conversation, seq) => confirmed.push(seq));
        const expected = new Set<number>();
        const done = new Set<number>();
        const waiting: number[] = [];
        const finish = (): void => {
          const index = (random.next().value ?? 0) % waiting.length;
          const [seq] = waiting.splice(index, 1);
          if (seq === undefined) return;
          done.add(seq);
          const before = confirmed.length;
          confirmations.done('n', 'c', seq);
          const upTo = confirmed.at(-1) ?? 0;
          if (confirmed.length > before) {
            for (const other of expected) if (other <= upTo) expect(done.has(other)).toBe(true);
          }
        };
        for (const seq of seqs) {
          confirmations.expect('n', 'c', seq);
          expected.add(seq);
          waiting.push(seq);
          if ((random.next().value ?? 0) % 2 === 0) finish();
        }
        while (waiting.length > 0) finish();
        expect(Math.max(...confirmed)).toBe(Math.max(...seqs));
        expect(confirmations.size).toBe(0);
      }),
    );
  });

  it('leave what could not be fanned out, and all that follows it, to whoever is asked next', () => {
    const confirmed: number[] = [];
    const confirmations = new Confirmations((_node, _conversation, seq) => confirmed.push(seq));
    for (const seq of [5, 6, 7]) confirmations.expect('n', 'c', seq);
    confirmations.done('n', 'c', 7);
    confirmations.giveUp('n', 'c', 6);
    confirmations.done('n', 'c', 5);
    expect(confirmed).toEqual([5]);
    confirmations.expect('n', 'c', 8);
    confirmations.drop('n');
    confirmations.done('n', 'c', 8);
    expect(confirmed).toEqual([5]);
  });
});
