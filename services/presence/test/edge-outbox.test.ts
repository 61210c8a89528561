import fc from 'fast-check';
import { ManualClock } from '@godwit/runtime/clock';
import { describe, expect, it } from 'vitest';
import { EdgeOutbox } from '../src/domain/edge-outbox.js';
import type { Update } from '../src/domain/ports.js';
import type { UserPresence } from '../src/domain/presence.js';
import type { Subscriber } from '../src/domain/subscriptions.js';

const createOutbox = (perSecond: number) => {
  const clock = new ManualClock();
  const sent: Update[] = [];
  const state = new Map<string, UserPresence>();
  const hidden = new Set<string>();
  const edge = { lags: false };
  const outbox = new EdgeOutbox({
    clock,
    perSecond,
    view: (userId, { viewer }) =>
      (hidden.has(viewer) ? undefined : state.get(userId)) ?? { online: false, lastSeenMs: 0 },
    send: (updates) => sent.push(...updates),
    lags: () => edge.lags,
  });
  const subscriber = (handle: number, viewer = `viewer${String(handle)}`): Subscriber => ({
    outbox,
    handle,
    viewer,
    topics: new Set(),
    dropped: false,
    tail: Promise.resolve(),
  });
  return { clock, sent, state, hidden, edge, outbox, subscriber };
};

const told = (sent: readonly Update[]): number => sent.reduce((sum, { handles }) => sum + handles.length, 0);

describe('coalescing', () => {
  it('tells the latest state once, however often it has changed', () => {
    const { outbox, sent, state, subscriber } = createOutbox(100);
    const [one, two] = [subscriber(1), subscriber(2)];
    for (let change = 0; change < 9; change++) {
      state.set('u', { online: change % 2 === 0, lastSeenMs: change });
      for (const each of [one, two]) outbox.presenceChanged('u', each);
    }
    outbox.flush();
    expect(sent).toEqual([
      { kind: 'presence', userId: 'u', handles: [1, 2], presence: { online: true, lastSeenMs: 8 } },
    ]);
    outbox.flush();
    expect(sent).toHaveLength(1);
  });

  it('gives each what they may see', () => {
    const { hidden, outbox, sent, state, subscriber } = createOutbox(100);
    state.set('u', { online: true, lastSeenMs: 5 });
    hidden.add('viewer2');
    for (const handle of [1, 2, 3]) outbox.presenceChanged('u', subscriber(handle));
    outbox.flush();
    expect(sent).toEqual([
      { kind: 'presence', userId: 'u', handles: [1, 3], presence: { online: true, lastSeenMs: 5 } },
      { kind: 'presence', userId: 'u', handles: [2], presence: { online: false, lastSeenMs: 0 } },
    ]);
  });

  it('tells nobody whose socket has gone', () => {
    const { outbox, sent, subscriber } = createOutbox(100);
    const gone = subscriber(1);
    outbox.presenceChanged('u', gone);
    gone.dropped = true;
    outbox.flush();
    expect(sent).toEqual([]);
    expect(outbox.empty).toBe(true);
  });
});

describe('the budget', () => {
  it('delays what is over it, loses nothing, and holds each user and socket once', () => {
    const step = fc.record({ user: fc.nat(20), handle: fc.nat(10), pause: fc.constantFrom(0, 100, 500) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { clock, outbox, sent, state, subscriber } = createOutbox(10);
        const subscribers = Array.from({ length: 11 }, (_, handle) => subscriber(handle));
        /** When each pair of user and socket was last marked. */
        const marked = new Map<string, number>();
        let at = 0;
        for (const { user, handle, pause } of steps) {
          state.set(`u${String(user)}`, { online: user % 2 === 0, lastSeenMs: ++at });
          for (const each of subscribers.slice(0, handle)) {
            outbox.presenceChanged(`u${String(user)}`, each);
            marked.set(`u${String(user)} ${String(each.handle)}`, at);
          }
          clock.advance(pause);
          outbox.flush();
          expect(outbox.waiting).toBeLessThanOrEqual(21);
          expect(told(sent)).toBeLessThanOrEqual(10 + clock.monotonic() / 100 + 1);
        }
        for (let round = 0; round < 300 && !outbox.empty; round++) {
          clock.advance(100);
          outbox.flush();
        }
        expect(outbox.empty).toBe(true);
        const last = new Map<string, number>();
        for (const update of sent) {
          if (update.kind !== 'presence') continue;
          for (const handle of update.handles)
            last.set(`${update.userId} ${String(handle)}`, update.presence.lastSeenMs);
        }
        for (const [key, since] of marked) expect(last.get(key)).toBeGreaterThanOrEqual(since);
      }),
      { numRuns: 100 },
    );
  });

  it('holds everything while the edge does not read', () => {
    const { edge, outbox, sent, subscriber } = createOutbox(100);
    edge.lags = true;
    for (let user = 0; user < 50; user++) outbox.presenceChanged(`u${String(user % 5)}`, subscriber(1));
    outbox.flush();
    expect(sent).toEqual([]);
    expect(outbox.waiting).toBe(5);
    edge.lags = false;
    outbox.flush();
    expect(outbox.empty).toBe(true);
  });
});

describe('typing', () => {
  const typing = { conversationId: 'c', userId: 'u', stopped: false };

  it('goes to all who listen in one update, and the newest notice wins', () => {
    const { outbox, sent } = createOutbox(100);
    outbox.typing(typing, 1);
    outbox.typing(typing, 2);
    outbox.typing({ ...typing, stopped: true }, 2);
    outbox.flush();
    expect(sent).toEqual([{ kind: 'typing', typing: { ...typing, stopped: true }, handles: [2] }]);
  });

  it('is dropped when it has become old', () => {
    const { clock, edge, outbox, sent } = createOutbox(100);
    edge.lags = true;
    outbox.typing(typing, 1);
    clock.advance(3_001);
    edge.lags = false;
    outbox.flush();
    expect(sent).toEqual([]);
    expect(outbox.empty).toBe(true);
  });
});
