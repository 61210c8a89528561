import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '@godwit/runtime/clock';
import { DeadlineWheel } from '../src/domain/deadline-wheel.js';
import { InFlight } from '../src/domain/in-flight.js';
import { Positions } from '../src/domain/positions.js';
import { SyncCredit } from '../src/domain/sync-credit.js';
import { takeAll, TokenBuckets } from '../src/domain/token-bucket.js';

describe('a token bucket', () => {
  const buckets = (perSecond: number, burst: number, clock = new ManualClock()) => ({
    clock,
    buckets: new TokenBuckets({ perSecond, burst }, { maxKeys: 100, now: () => clock.monotonic() }),
  });

  it('lets no more through than its rate and burst, whenever they come', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 300 }), { maxLength: 200 }), (pauses) => {
        const { clock, buckets: bucket } = buckets(10, 5);
        let taken = 0;
        for (const pause of pauses) {
          clock.advance(pause);
          if (bucket.take('k') === 0) taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(5 + (clock.monotonic() * 10) / 1_000 + 1e-6);
      }),
    );
  });

  it('says how long to wait, and means it', () => {
    const { clock, buckets: bucket } = buckets(4, 2);
    expect([bucket.take('k'), bucket.take('k')]).toEqual([0, 0]);
    const waitMs = bucket.take('k');
    expect(waitMs).toBe(250);
    clock.advance(waitMs);
    expect(bucket.take('k')).toBe(0);
    expect(bucket.take('other')).toBe(0);
  });

  it('takes of all or of none', () => {
    const { clock, buckets: wide } = buckets(1, 3);
    const { buckets: narrow } = buckets(1, 1, clock);
    expect(
      takeAll([
        [wide, 'a'],
        [narrow, 'b'],
      ]),
    ).toBe(0);
    expect(
      takeAll([
        [wide, 'a'],
        [narrow, 'b'],
      ]),
    ).toBeGreaterThan(0);
    expect(
      takeAll([
        [wide, 'a'],
        [narrow, 'b'],
      ]),
    ).toBeGreaterThan(0);
    expect([wide.take('a'), wide.take('a')]).toEqual([0, 0]);
  });
});

describe('a deadline wheel', () => {
  it('calls each at most a second late, never early, once, unless it was cancelled or moved', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('schedule' as const), entry: fc.nat({ max: 9 }), inMs: fc.nat({ max: 20_000 }) }),
      fc.record({ kind: fc.constant('cancel' as const), entry: fc.nat({ max: 9 }) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 5_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const wheel = new DeadlineWheel<{ wheelSlot: number; at: number | undefined }>();
        const entries = Array.from({ length: 10 }, () => ({ wheelSlot: 0, at: undefined as number | undefined }));
        let now = 1_764_000_000_000;
        wheel.turn(now, () => undefined);
        const turnTo = (time: number): void => {
          now = time;
          wheel.turn(now, (entry) => {
            expect(entry.at).toBeDefined();
            expect(entry.at ?? Infinity).toBeLessThanOrEqual(now);
            entry.at = undefined;
          });
          for (const { at } of entries) if (at !== undefined) expect(at).toBeGreaterThan(now - 1_000);
        };
        for (const each of steps) {
          if (each.kind === 'pass') {
            for (let left = each.ms; left > 0; left -= 1_000) turnTo(now + Math.min(left, 1_000));
            continue;
          }
          const entry = entries[each.entry];
          if (entry === undefined) continue;
          if (each.kind === 'cancel') {
            wheel.cancel(entry);
            entry.at = undefined;
          } else {
            entry.at = now + each.inMs;
            wheel.schedule(entry, entry.at);
          }
        }
        turnTo(now + 60_000);
        expect(entries.every(({ at }) => at === undefined)).toBe(true);
      }),
    );
  });
});

describe('positions', () => {
  it('count a live message only if nothing is missing before it', () => {
    const positions = new Positions(2);
    positions.handed('c', 5);
    expect(positions.get('c')).toBeUndefined();
    positions.covered('c', 5);
    positions.handed('c', 7);
    expect(positions.get('c')).toBe(5);
    positions.handed('c', 6);
    positions.handed('c', 7);
    positions.covered('c', 3);
    expect(positions.get('c')).toBe(7);
    positions.covered('d', 1);
    positions.covered('e', 1);
    expect(positions.get('e')).toBeUndefined();
  });
});

describe('sync credit', () => {
  it('grants exactly what was acked, and never gets stuck', () => {
    const events = fc.array(fc.record({ conversation: fc.constantFrom('a', 'b', 'c'), ack: fc.boolean() }), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(events, (steps) => {
        const credit = new SyncCredit();
        const sent = new Map<string, number>();
        const acked = new Map<string, number>();
        let granted = 0;
        for (const { conversation, ack } of steps) {
          const head = sent.get(conversation) ?? 0;
          if (ack) {
            acked.set(conversation, head);
            credit.acked(conversation, head);
          } else {
            sent.set(conversation, head + 1);
            credit.sent(conversation, head + 1);
          }
          granted += credit.take();
        }
        const total = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
        expect(credit.outstanding).toBe(total(sent) - total(acked));
        expect(granted).toBeLessThanOrEqual(total(acked));
        for (const [conversation, head] of sent) credit.acked(conversation, head);
        expect(granted + credit.take()).toBe(total(sent));
      }),
    );
  });
});

describe('requests in flight', () => {
  it('end under any of their ids and are found by age and node', () => {
    const flights = new InFlight<string>();
    const first = flights.start('a', { id: flights.nextId(), node: 'x', now: 0 });
    const second = flights.start('b', { id: flights.nextId(), node: 'y', now: 10 });
    expect(flights.sentBefore(5)).toEqual([first]);
    flights.again(first, { id: flights.nextId(), node: 'y', now: 20 });
    expect(flights.sentBefore(15)).toEqual([second]);
    expect(flights.at('y')).toEqual([second, first]);
    expect(flights.get(1)).toBe(first);
    expect(flights.get(3)).toBe(first);
    flights.end(first);
    expect([flights.get(1), flights.get(3), flights.size]).toEqual([undefined, undefined, 1]);
  });
});
