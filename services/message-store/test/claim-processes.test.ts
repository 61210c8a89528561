import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Claimer } from '../src/domain/claim-processes.js';
import type { MessagePlace } from '../src/domain/message.js';
import { HistoryLost, type ProcessStore } from '../src/domain/process-store.js';
import type { ProcessRow } from '../src/domain/process-watch.js';
import { Unconfirmed, type FanOutOrder } from '../src/domain/unconfirmed.js';

const dead: ProcessRow = { incarnation: 'dead', node: 'store-1', beat: 7, claimedBy: undefined, claimBeat: 0 };

interface Fake {
  readonly rows: Map<string, ProcessRow>;
  readonly orders: FanOutOrder[];
  readonly unconfirmed: Unconfirmed;
  readonly seen: string[];
}

/** A claimer that looks every millisecond, on a clock that passes a second with each look. */
const run = (history: () => AsyncIterable<readonly MessagePlace[]>, claimable = true): Fake => {
  const rows = new Map([[dead.incarnation, dead]]);
  const orders: FanOutOrder[] = [];
  const seen: string[] = [];
  let time = 0;
  const unconfirmed = new Unconfirmed({
    now: () => time,
    maxConversations: 100,
    give: (_, order) => {
      orders.push(order);
      return true;
    },
  });
  unconfirmed.routerConnected('router');
  const store: ProcessStore = {
    register: () => Promise.resolve(),
    beat: () => Promise.resolve(true),
    rows: () => Promise.resolve([...rows.values()]),
    claim: (row, by) => {
      if (!claimable) return Promise.resolve(undefined);
      rows.set(row.incarnation, { ...row, claimedBy: by, claimBeat: row.claimBeat + 1 });
      return Promise.resolve({ confirmedAt: 5n });
    },
    beatClaim: (incarnation, by) => Promise.resolve(rows.get(incarnation)?.claimedBy === by),
    remove: (incarnation) => {
      rows.delete(incarnation);
      return Promise.resolve();
    },
  };
  const claimer = new Claimer({
    incarnation: 'self',
    store,
    history: { insertsOf: history },
    unconfirmed,
    seenLogTime: () => 9n,
    now: () => (time += 1_000),
    lookMs: 1,
    observer: {
      claimed: () => seen.push('claimed'),
      recovered: (_, conversations) => seen.push(`recovered ${conversations}`),
      failed: () => seen.push('failed'),
    },
  });
  const abort = new AbortController();
  const running = claimer.run(abort.signal);
  onTestFinished(async () => {
    abort.abort();
    await running;
  });
  return { rows, orders, unconfirmed, seen };
};

const place = (conversationId: string, seq: number): MessagePlace => ({ conversationId, seq });

describe('Claimer', () => {
  it('has fanned out what the dead process left, and removes its row when all is confirmed', async () => {
    const { rows, orders, unconfirmed, seen } = run(async function* () {
      yield [place('a', 4), place('b', 1), place('a', 5)];
      yield [place('a', 6)];
    });
    await waitFor(() => orders.length >= 3);
    expect(orders.slice(0, 3)).toEqual([
      { conversationId: 'a', fromSeq: 4, toSeq: 5 },
      { conversationId: 'b', fromSeq: 1, toSeq: 1 },
      { conversationId: 'a', fromSeq: 6, toSeq: 6 },
    ]);
    unconfirmed.confirm({ conversationId: 'a', seq: 6, router: 'router' });
    expect(rows.get('dead')?.claimedBy).toBe('self');
    unconfirmed.confirm({ conversationId: 'b', seq: 1, router: 'router' });
    await waitFor(() => rows.size === 0);
    expect(seen).toEqual(['claimed', 'recovered 2']);
  });

  it('gives a row up whose history the oplog has lost', async () => {
    const { rows, seen } = run(async function* () {
      throw new HistoryLost('too old');
      yield [];
    });
    await waitFor(() => rows.size === 0);
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['claimed', 'failed']);
  });

  it('leaves a row alone that another was faster to claim, and one that another has taken over', async () => {
    const { orders, seen } = run(async function* () {
      yield [place('a', 1)];
    }, false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual([]);
    expect(orders).toEqual([]);
    const taken = run(async function* () {
      yield [place('a', 1)];
    });
    await waitFor(() => taken.orders.length > 0);
    taken.rows.set('dead', { ...dead, claimedBy: 'other', claimBeat: 99 });
    taken.unconfirmed.confirm({ conversationId: 'a', seq: 1, router: 'router' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(taken.rows.get('dead')).toBeDefined();
  });
});
