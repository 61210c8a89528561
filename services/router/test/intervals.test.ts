import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, isOpen, segmentsOf } from '../src/domain/intervals.js';
import { intervals } from './support/arbitrary-intervals.js';

describe('intervals', () => {
  it('cut a range into segments that cover it and tell truly what is visible', () => {
    fc.assert(
      fc.property(
        intervals,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        (times, from, length) => {
          const to = from + length;
          const segments = segmentsOf({ from, to }, times);
          expect(segments[0]?.from).toBe(from);
          expect(segments.at(-1)?.to).toBe(to);
          segments.forEach((segment, index) => {
            const next = segments[index + 1];
            if (next !== undefined) expect(next.from).toBe(segment.to + 1);
            for (let seq = segment.from; seq <= segment.to; seq++) expect(contains(times, seq)).toBe(segment.visible);
          });
        },
      ),
    );
  });

  it('of a member of today make an endless range visible to its end', () => {
    expect(segmentsOf({ from: 2, to: Infinity }, [{ from: 1, to: Infinity }])).toEqual([
      { from: 2, to: Infinity, visible: true },
    ]);
    expect(segmentsOf({ from: 1, to: Infinity }, [{ from: 1, to: 3 }])).toEqual([
      { from: 1, to: 3, visible: true },
      { from: 4, to: Infinity, visible: false },
    ]);
    expect(isOpen([])).toBe(false);
  });
});
