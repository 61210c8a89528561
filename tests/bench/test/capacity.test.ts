import { describe, expect, it } from 'vitest';
import { LOADS } from '../src/capacity.js';
import { ASSUMPTIONS, planFor, serversInFlight } from '../src/capacity-plan.js';

const costs = {
  perMessage: [
    { name: 'router', us: 60, bytes: 100 },
    { name: 'mongo', us: 120, bytes: 1_000 },
    { name: 'edge', us: 0, bytes: 10 },
  ],
  perDeliveryUs: 20,
  perSocketBytes: 6_144,
  perSocketSecondUs: 1,
};
const load = {
  name: 'test',
  sendsPerSecond: 1_000,
  deliveriesPerSecond: 3_000,
  sockets: 1_000_000,
  bytesAMessage: 500,
};

describe('the capacity plan', () => {
  it('is the sum of what is measured', () => {
    const plan = planFor(load, costs, { ...ASSUMPTIONS, peak: 5, busy: 0.5, socketsAnEdge: 100_000, secondaries: 0.5 });
    const cores = Object.fromEntries(plan.parts.map((part) => [part.name, part.cores]));
    // 5,000 sends/s x 60 µs = 0.3 cores of work, at half of a core's time.
    expect(cores['router']).toBeCloseTo(0.6);
    // The primary's, and half of that for both secondaries.
    expect(cores['mongo']).toBeCloseTo(1.8);
    expect(cores['further deliveries']).toBeCloseTo((10_000 * 20e-6) / 0.5);
    expect(cores['heartbeats']).toBeCloseTo(2);
    expect(plan.cores).toBeCloseTo(4.8);
    expect(plan.parts.find(({ name }) => name === 'heartbeats')?.processes).toBe(10);
    expect(plan.edgeMemoryBytes).toBe(6_144_000_000);
    // A router, two mongod, a router for the deliveries, ten edges for the sockets.
    expect(plan.memoryBytes).toBe(6_144_000_000 + 100 + 2 * 1_000 + 100 + 10 * 10);
  });

  it('grows with the load in all that is work, and with the sockets in all that is memory', () => {
    const double = { ...load, sendsPerSecond: 2_000, deliveriesPerSecond: 6_000 };
    const [one, two] = [planFor(load, costs), planFor(double, costs)];
    const work = (plan: typeof one): number =>
      plan.parts.filter(({ name }) => name !== 'heartbeats').reduce((sum, { cores }) => sum + cores, 0);
    expect(work(two)).toBeCloseTo(2 * work(one));
    expect(two.edgeMemoryBytes).toBe(one.edgeMemoryBytes);
    expect(two.networkBits).toBeCloseTo(2 * one.networkBits);
  });

  it('counts streams by wakes, and Redis by what it needs more of', () => {
    const assumed = { ...ASSUMPTIONS, wakesADelivery: 0.5, publishesAStream: 1_000, serversAStream: 3 };
    expect(planFor(load, costs, assumed).natsServers).toBe(Math.ceil((15_000 * 0.5) / 1_000) * 3);
    const redis = { ...assumed, redisBytesASocket: 500, redisBytesAMaster: 1e8, redisWritesASocketSecond: 0.05 };
    expect(planFor(load, costs, { ...redis, redisWritesAMaster: 100_000 }).redisMasters).toBe(5);
    expect(planFor(load, costs, { ...redis, redisWritesAMaster: 5_000 }).redisMasters).toBe(10);
    expect(planFor({ ...load, sockets: 1 }, costs, redis).redisMasters).toBe(3);
  });

  it('has both readings of the load, and the sum that is shown instead of one', () => {
    expect(LOADS.map(({ sendsPerSecond }) => sendsPerSecond)).toEqual([741_000, 231_000]);
    expect(serversInFlight({ online: 40_000_000, requestMs: 20, openAtATime: 100_000 })).toBe(8);
  });
});
