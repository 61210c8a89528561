import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONFIRM_WITHIN_MS, Unconfirmed, type FanOutOrder } from '../src/domain/unconfirmed.js';

const setUp = (routers: readonly string[], takes: (router: string) => boolean = () => true) => {
  const time = { now: 0 };
  const orders: (FanOutOrder & { router: string })[] = [];
  const unconfirmed = new Unconfirmed({
    now: () => time.now,
    maxConversations: 1_000,
    give: (router, order) => {
      if (takes(router)) orders.push({ router, ...order });
      return takes(router);
    },
  });
  for (const router of routers) unconfirmed.routerConnected(router);
  const pass = (milliseconds: number): void => {
    time.now += milliseconds;
    unconfirmed.tick();
  };
  return { unconfirmed, orders, pass };
};

const stored = (seq: number, router: string | undefined, since = 1n) => {
  return { conversationId: 'c', fromSeq: seq, toSeq: seq, router, since };
};

describe('Unconfirmed', () => {
  it('goes round the routers every 3 s until one confirms, never twice to the same in a row', () => {
    const { unconfirmed, orders, pass } = setUp(['r0', 'r1', 'r2']);
    unconfirmed.add(stored(5, 'r0'));
    pass(CONFIRM_WITHIN_MS - 1);
    expect(orders).toEqual([]);
    for (let round = 0; round < 4; round++) pass(CONFIRM_WITHIN_MS);
    const asked = ['r0', ...orders.map(({ router }) => router)];
    expect(new Set(asked).size).toBe(3);
    expect(asked.every((router, index) => router !== asked[index + 1])).toBe(true);
    unconfirmed.confirm({ conversationId: 'c', seq: 5, router: asked.at(-1) ?? '' });
    pass(10 * CONFIRM_WITHIN_MS);
    expect(orders).toHaveLength(4);
    expect(unconfirmed.size).toBe(0);
  });

  it('gives a router that is at work its time once more, and only once', () => {
    const { unconfirmed, orders, pass } = setUp(['r0', 'r1']);
    unconfirmed.add(stored(5, 'r0'));
    const elsewhere = { conversationId: 'other', seq: 1, router: 'r0' };
    pass(CONFIRM_WITHIN_MS - 1);
    unconfirmed.confirm(elsewhere);
    pass(1);
    expect(orders).toEqual([]);
    pass(CONFIRM_WITHIN_MS - 1);
    unconfirmed.confirm(elsewhere);
    expect(orders).toEqual([]);
    pass(1);
    expect(orders).toEqual([{ router: 'r1', conversationId: 'c', fromSeq: 5, toSeq: 5 }]);
  });

  it('asks the only router again when there is no other', () => {
    const { unconfirmed, orders, pass } = setUp(['r0']);
    unconfirmed.add(stored(1, 'r0'));
    pass(CONFIRM_WITHIN_MS);
    expect(orders).toEqual([{ router: 'r0', conversationId: 'c', fromSeq: 1, toSeq: 1 }]);
  });

  it('keeps what nobody takes until somebody does', () => {
    const { unconfirmed, orders, pass } = setUp([]);
    unconfirmed.add(stored(1, 'r0'));
    pass(60_000);
    expect(unconfirmed.isConfirmed('c', 1)).toBe(false);
    unconfirmed.routerConnected('r1');
    pass(1);
    expect(orders).toEqual([{ router: 'r1', conversationId: 'c', fromSeq: 1, toSeq: 1 }]);
  });

  it('does not take the word of a router for what another was given', () => {
    const { unconfirmed, pass, orders } = setUp(['r0', 'r1']);
    unconfirmed.add(stored(1, 'r0'));
    unconfirmed.add(stored(2, 'r1'));
    unconfirmed.confirm({ conversationId: 'c', seq: 2, router: 'r1' });
    expect(unconfirmed.isConfirmed('c', 1)).toBe(false);
    pass(CONFIRM_WITHIN_MS);
    expect(orders).toEqual([{ router: 'r1', conversationId: 'c', fromSeq: 1, toSeq: 1 }]);
  });

  it('hands on what a lost router had at once, from the lowest unconfirmed', () => {
    const { unconfirmed, orders } = setUp(['r0', 'r1']);
    for (const seq of [1, 2, 3]) unconfirmed.add(stored(seq, 'r0'));
    unconfirmed.confirm({ conversationId: 'c', seq: 1, router: 'r0' });
    unconfirmed.routerLost('r0');
    expect(orders).toEqual([{ router: 'r1', conversationId: 'c', fromSeq: 2, toSeq: 3 }]);
  });

  it('loses nothing, whatever comes in whatever order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), router: fc.nat(2), since: fc.nat(3) }),
      fc.record({ kind: fc.constant('confirm' as const), router: fc.nat(2), upTo: fc.nat(60) }),
      fc.record({ kind: fc.constant('lost' as const), router: fc.nat(2) }),
      fc.record({ kind: fc.constant('connected' as const), router: fc.nat(2) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(4_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { unconfirmed, orders, pass } = setUp(['r0', 'r1', 'r2']);
        /** Who had each seq in hand last, by what the routers were told. */
        const inHand = new Map<number, Set<string>>();
        const open = new Set<number>();
        let seq = 0;
        let seenOrders = 0;
        for (const one of steps) {
          if (one.kind === 'add') {
            seq++;
            open.add(seq);
            inHand.set(seq, new Set([`r${one.router}`]));
            unconfirmed.add(stored(seq, `r${one.router}`, BigInt(one.since)));
          } else if (one.kind === 'confirm') {
            const router = `r${one.router}`;
            for (const waiting of open) {
              if (waiting <= one.upTo && inHand.get(waiting)?.has(router) === true) open.delete(waiting);
            }
            unconfirmed.confirm({ conversationId: 'c', seq: one.upTo, router });
          } else if (one.kind === 'lost') unconfirmed.routerLost(`r${one.router}`);
          else if (one.kind === 'connected') unconfirmed.routerConnected(`r${one.router}`);
          else pass(one.ms);
          for (const { router, fromSeq, toSeq } of orders.slice(seenOrders)) {
            for (let ordered = fromSeq; ordered <= toSeq; ordered++) inHand.get(ordered)?.add(router);
          }
          seenOrders = orders.length;
        }
        // Whatever nobody confirmed that had it is still held, and handed to somebody in time.
        for (const waiting of open) expect(unconfirmed.isConfirmed('c', waiting)).toBe(false);
        unconfirmed.routerConnected('r0');
        const before = orders.length;
        pass(CONFIRM_WITHIN_MS + 1);
        for (const waiting of open) {
          const given = orders.slice(before).some(({ fromSeq, toSeq }) => fromSeq <= waiting && waiting <= toSeq);
          expect(given).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
