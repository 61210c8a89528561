import fc from 'fast-check';
import type { Interval } from '../../src/domain/intervals.js';

/** Membership times: from..to, a gap, from..to, ..., the last one open or closed. */
export const intervals = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })), { maxLength: 4 }),
    fc.boolean(),
  )
  .map(([pieces, open]) => {
    const result: Interval[] = [];
    let at = 0;
    for (const [gap, length] of pieces) {
      const from = at + gap;
      result.push({ from, to: from + length - 1 });
      at = from + length;
    }
    const last = result.at(-1);
    if (open && last !== undefined) result[result.length - 1] = { from: last.from, to: Infinity };
    return result;
  });
