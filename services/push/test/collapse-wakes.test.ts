import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WakeCollapser } from '../src/domain/collapse-wakes.js';
import type { Wake } from '../src/domain/model.js';

const wake = (seq: number, conversationId = 'c', userId = 'u'): Wake => ({
  userId,
  conversationId,
  seq,
  senderUserId: 's',
  kind: 1,
  serverTime: 0,
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('wakes', () => {
  it('of a conversation that come within the window become one, the newest; the others are done at once', async () => {
    const sent: Wake[] = [];
    const collapser = new WakeCollapser({
      windowMs: 1_000,
      dispatch: (one) => {
        sent.push(one);
        return Promise.resolve();
      },
    });
    const first = collapser.add(wake(1), 1);
    await vi.advanceTimersByTimeAsync(600);
    const third = collapser.add(wake(3), 1);
    await first;
    await collapser.add(wake(2), 1);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(400);
    await third;
    expect(sent).toEqual([wake(3)]);
    expect(collapser.size).toBe(0);
  });

  it('that fail come back to who brought the newest', async () => {
    const collapser = new WakeCollapser({ windowMs: 1_000, dispatch: () => Promise.reject(new Error('later')) });
    const [first, second] = [collapser.add(wake(1), 1), collapser.add(wake(2), 1)];
    const outcome = expect(second).rejects.toThrow('later');
    await first;
    await vi.advanceTimersByTimeAsync(1_000);
    await outcome;
  });

  it('do not wait when the process stops', async () => {
    const sent: number[] = [];
    const collapser = new WakeCollapser({
      windowMs: 60_000,
      dispatch: ({ seq }) => {
        sent.push(seq);
        return Promise.resolve();
      },
    });
    const waiting = collapser.add(wake(1), 1);
    collapser.drain();
    await waiting;
    await collapser.add(wake(2), 1);
    expect(sent).toEqual([1, 2]);
  });

  it('are never lost: the newest of each conversation is sent after it came, and each promise settles', async () => {
    const arrival = fc.record({
      conversation: fc.constantFrom('a', 'b', 'c'),
      seq: fc.integer({ min: 1, max: 50 }),
      pause: fc.integer({ min: 0, max: 700 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 60 }), async (arrivals) => {
        const sent = new Map<string, number>();
        let sends = 0;
        const collapser = new WakeCollapser({
          windowMs: 1_000,
          dispatch: ({ conversationId, seq }) => {
            sends++;
            sent.set(conversationId, Math.max(seq, sent.get(conversationId) ?? 0));
            return Promise.resolve();
          },
        });
        const newest = new Map<string, number>();
        const promises: Promise<void>[] = [];
        for (const { conversation, seq, pause } of arrivals) {
          promises.push(collapser.add(wake(seq, conversation), 1));
          newest.set(conversation, Math.max(seq, newest.get(conversation) ?? 0));
          await vi.advanceTimersByTimeAsync(pause);
        }
        await vi.advanceTimersByTimeAsync(1_000);
        await Promise.all(promises);
        expect(sent).toEqual(newest);
        expect(sends).toBeLessThanOrEqual(arrivals.length);
      }),
      { numRuns: 50 },
    );
  });
});
