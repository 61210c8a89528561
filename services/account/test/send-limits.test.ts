import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admitSend, forgetSend, type SendHistory } from '../src/domain/send-limits.js';

const limits = { resendAfterMs: 30_000, perDay: 10 };
const DAY_MS = 86_400_000;

describe('limits of codes', () => {
  it('hold for every sequence of tries', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 * 3_600_000 }), { maxLength: 200 }), (pauses) => {
        let history: SendHistory = { sentAt: [] };
        let now = 1_000_000;
        const sent: number[] = [];
        for (const pause of pauses) {
          now += pause;
          const admission = admitSend(history, now, limits);
          if (admission.ok) {
            history = admission.history;
            sent.push(now);
          } else expect(admission.retryAfterMs).toBeGreaterThan(0);
        }
        for (const [index, at] of sent.entries()) {
          const before = sent[index - 1];
          if (before !== undefined) expect(at - before).toBeGreaterThanOrEqual(limits.resendAfterMs);
          expect(sent.filter((other) => other > at - DAY_MS && other <= at).length).toBeLessThanOrEqual(limits.perDay);
        }
        expect(history.sentAt.length).toBeLessThanOrEqual(limits.perDay);
      }),
    );
  });

  it('let through who waits as long as told', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: DAY_MS }), { maxLength: 12 }), (ages) => {
        const now = 10 * DAY_MS;
        const history = { sentAt: ages.map((age) => now - age).sort((a, b) => a - b) };
        const admission = admitSend(history, now, limits);
        if (!admission.ok) {
          const later = admitSend(history, now + admission.retryAfterMs, limits);
          expect(later.ok || later.retryAfterMs < DAY_MS).toBe(true);
        }
      }),
    );
  });

  it('survive a clock that was set back', () => {
    const history = { sentAt: [5_000_000_000] };
    expect(admitSend(history, 1_000_000, limits)).toEqual({ ok: false, retryAfterMs: 30_000 });
  });

  it('forget a code that did not go out', () => {
    const first = admitSend({ sentAt: [] }, 1_000_000, limits);
    if (!first.ok) throw new Error('refused');
    expect(admitSend(forgetSend(first.history), 1_000_001, limits).ok).toBe(true);
  });
});
