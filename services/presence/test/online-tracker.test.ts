import { ManualClock } from '@godwit/runtime/clock';
import { describe, expect, it } from 'vitest';
import { DeadEdges } from '../src/domain/dead-edges.js';
import { EdgeSockets } from '../src/domain/edge-sockets.js';
import { LastSeen } from '../src/domain/last-seen.js';
import { EdgeLife } from '../src/domain/live-edges.js';
import { OnlineTracker } from '../src/domain/online-tracker.js';
import { MemoryLastSeen, MemoryRegistry } from './memory-ports.js';

const GRACE_MS = 3_000;
const LEASE_MS = 15_000;

const createWorld = () => {
  const clock = new ManualClock();
  const registry = new MemoryRegistry(clock, LEASE_MS);
  const store = new MemoryLastSeen();
  const replica = () => {
    const news: string[] = [];
    const life = new EdgeLife(registry, clock);
    const lastSeen = new LastSeen({
      store,
      intervalMs: 60_000,
      onDurable: (users) => void tracker.forget(users),
      onError: () => undefined,
    });
    const tracker: OnlineTracker = new OnlineTracker({
      clock,
      graceMs: GRACE_MS,
      registry,
      life,
      lastSeen,
      announce: (userId, { online }) => news.push(`${userId} ${online ? 'on' : 'off'}`),
      onError: () => undefined,
    });
    const deadEdges = new DeadEdges({ clock, registry, tracker, onDead: () => undefined });
    const link = async (edgeId: string, incarnation = 'i1') => {
      const sockets = new EdgeSockets({ edgeId, incarnation });
      tracker.link(sockets);
      await registry.keepAlive(sockets.edge, clock.now());
      return sockets;
    };
    const settle = async () => {
      tracker.tick();
      await tracker.flush();
      await lastSeen.flush();
      await tracker.flush();
    };
    return { news, tracker, lastSeen, deadEdges, link, settle };
  };
  return { clock, registry, store, replica };
};

describe('coming and going', () => {
  it('is news once, with the grace of a reconnect', async () => {
    const { clock, store, replica } = createWorld();
    const { news, tracker, link, settle } = replica();
    const sockets = await link('edge-0');
    tracker.connected(sockets, 1, 'ann');
    tracker.connected(sockets, 2, 'ann');
    await settle();
    tracker.disconnected(sockets, 1);
    tracker.disconnected(sockets, 2);
    clock.advance(GRACE_MS - 1);
    await settle();
    tracker.connected(sockets, 3, 'ann');
    clock.advance(10);
    await settle();
    expect(news).toEqual(['ann on']);
    const left = clock.now();
    tracker.disconnected(sockets, 3);
    clock.advance(GRACE_MS);
    await settle();
    expect(news).toEqual(['ann on', 'ann off']);
    // The moment they left, not the end of the grace.
    expect(store.rows.get('ann')).toBe(left);
  });

  it('is no news while another socket is elsewhere', async () => {
    const { clock, registry, store, replica } = createWorld();
    const [one, two] = [replica(), replica()];
    const [here, there] = [await one.link('edge-0'), await two.link('edge-1')];
    one.tracker.connected(here, 1, 'ann');
    await one.settle();
    two.tracker.connected(there, 1, 'ann');
    await two.settle();
    one.tracker.disconnected(here, 1);
    clock.advance(GRACE_MS);
    await one.settle();
    expect([one.news, two.news]).toEqual([['ann on'], []]);
    expect([...(registry.users.get('ann')?.keys() ?? [])]).toEqual(['edge-1']);
    two.tracker.disconnected(there, 1);
    clock.advance(GRACE_MS);
    await two.settle();
    expect(two.news).toEqual(['ann off']);
    expect(store.rows.has('ann')).toBe(true);
    expect(registry.users.get('ann')?.size).toBe(0);
  });

  it('is told from what is here while the registry is away, and made good afterwards', async () => {
    const { clock, registry, store, replica } = createWorld();
    const { news, tracker, deadEdges, link, settle } = replica();
    const sockets = await link('edge-0');
    tracker.connected(sockets, 1, 'ann');
    await settle();
    registry.away = true;
    tracker.connected(sockets, 2, 'bob');
    tracker.disconnected(sockets, 1);
    clock.advance(GRACE_MS);
    await settle();
    expect(news).toEqual(['ann on', 'bob on', 'ann off']);
    expect(store.rows.has('ann')).toBe(true);
    expect(tracker.missed).toBe(true);
    registry.away = false;
    for (const _user of tracker.rewrite());
    await deadEdges.reconcile(sockets.edge, (userId) => sockets.has(userId));
    await settle();
    expect(registry.users.get('ann')?.size).toBe(0);
    expect(registry.users.get('bob')?.size).toBe(1);
    expect(tracker.missed).toBe(false);
  });
});

describe('a stream that breaks', () => {
  it('says nothing of its users; another replica goes on', async () => {
    const { clock, replica } = createWorld();
    const [one, two] = [replica(), replica()];
    const before = await one.link('edge-0');
    one.tracker.connected(before, 1, 'ann');
    one.tracker.connected(before, 2, 'bob');
    await one.settle();
    // Bob is in his grace when it breaks, and gone when the edge links elsewhere.
    one.tracker.disconnected(before, 2);
    one.tracker.unlink(before);
    clock.advance(GRACE_MS);
    await one.settle();
    const after = await two.link('edge-0');
    two.tracker.connected(after, 1, 'ann');
    await two.settle();
    expect([one.news, two.news]).toEqual([['ann on', 'bob on'], []]);
    await two.deadEdges.reconcile(after.edge, (userId) => after.has(userId));
    await two.settle();
    expect(two.news).toEqual(['bob off']);
  });
});

describe('a dead edge', () => {
  it('has its users seen last at its last heartbeat, by any replica', async () => {
    const { clock, registry, store, replica } = createWorld();
    const [one, two] = [replica(), replica()];
    const sockets = await one.link('edge-0');
    for (const user of ['ann', 'bob']) one.tracker.connected(sockets, user === 'ann' ? 1 : 2, user);
    await one.settle();
    const other = await two.link('edge-1');
    two.tracker.connected(other, 1, 'bob');
    await two.settle();
    clock.advance(4_000);
    const heard = clock.now();
    await registry.keepAlive(sockets.edge, heard);
    // Replica one dies with the edge.
    clock.advance(LEASE_MS - 1);
    await registry.keepAlive(other.edge, clock.now());
    await two.deadEdges.sweep();
    await two.settle();
    expect(two.news).toEqual([]);
    clock.advance(1);
    await two.deadEdges.sweep();
    await two.settle();
    expect(two.news).toEqual(['ann off']);
    expect(store.rows).toEqual(new Map([['ann', heard]]));
    await two.deadEdges.sweep();
    expect(registry.members.has('edge-0 i1')).toBe(false);
  });

  it('is not forgotten before its users are written, and found again by the next one', async () => {
    const { clock, registry, store, replica } = createWorld();
    const [one, two] = [replica(), replica()];
    const sockets = await one.link('edge-0');
    one.tracker.connected(sockets, 1, 'ann');
    await one.settle();
    const heard = clock.now();
    clock.advance(LEASE_MS);
    store.away = true;
    await one.deadEdges.sweep();
    await one.settle();
    expect(store.rows.size).toBe(0);
    // Replica one dies before Mongo is back.
    store.away = false;
    clock.advance(10_000);
    await two.deadEdges.sweep();
    await two.settle();
    expect(store.rows.get('ann')).toBe(heard);
    await two.deadEdges.sweep();
    expect(registry.members.size).toBe(0);
  });

  it('that came back as a new process keeps those who came back', async () => {
    const { clock, store, replica } = createWorld();
    const { news, tracker, deadEdges, link, settle } = replica();
    const old = await link('edge-0', 'i1');
    tracker.connected(old, 1, 'ann');
    tracker.connected(old, 2, 'bob');
    await settle();
    tracker.unlink(old);
    clock.advance(1_000);
    const young = await link('edge-0', 'i2');
    tracker.connected(young, 1, 'ann');
    await settle();
    news.length = 0;
    await deadEdges.sweep();
    await settle();
    expect(news).toEqual(['bob off']);
    expect([...store.rows.keys()]).toEqual(['bob']);
  });
});
