import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activeKey, dueKey, publishedKeys, type KeyTimes } from '../src/domain/key-schedule.js';

const schedule = { rotateAfterMs: 30_000, publishAheadMs: 600, tokenMaxMs: 5_000 };

describe('the schedule of signing keys', () => {
  it('has every token verified by published keys, whenever keys are looked after', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 5, maxLength: 60 }), (pauses) => {
        let keys: KeyTimes[] = [];
        let now = 1_000;
        const signed: { generation: number; until: number }[] = [];
        for (const pause of pauses) {
          const due = dueKey(keys, now, schedule);
          if (due !== undefined) keys = [...keys, due];
          const active = activeKey(keys, now);
          expect(active).toBeDefined();
          if (active !== undefined) signed.push({ generation: active.generation, until: now + schedule.tokenMaxMs });
          const published = new Set(publishedKeys(keys, now, schedule).map(({ generation }) => generation));
          for (const token of signed) if (token.until > now) expect(published).toContain(token.generation);
          now += pause;
        }
        expect(new Set(keys.map(({ generation }) => generation)).size).toBe(keys.length);
      }),
    );
  });

  it('publishes a key before it signs', () => {
    const first = { generation: 1, activeFrom: 0 };
    expect(dueKey([first], 29_399, schedule)).toBeUndefined();
    const second = dueKey([first], 29_400, schedule);
    expect(second).toEqual({ generation: 2, activeFrom: 30_000 });
    if (second === undefined) return;
    expect(activeKey([first, second], 29_999)).toBe(first);
    expect(activeKey([first, second], 30_000)).toBe(second);
  });

  it('gives a late key its time ahead, too', () => {
    expect(dueKey([{ generation: 1, activeFrom: 0 }], 90_000, schedule)).toEqual({ generation: 2, activeFrom: 90_600 });
  });
});
