import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chosenKinds } from '../src/plan/fault-kinds.js';
import { runFaults } from '../src/run.js';
import { World } from '../src/world/world.js';
import { brokenIn, judged } from './judged.js';

// A minute of `npm run faults`: half of it what is always the same, half of it what was never tried before. The longer
// faults are left to the long runs.

const BRISK = ['kill-', 'mongo-kill', 'mongo-step', 'nats-', 'redis-', 'net-', 'drop-', 'clients-cut'];
const FIXED_SEED = 20_140_219;

let dir: string;
let world: World;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-faults-'));
  world = await World.start({ dir });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

it.each([
  // It found a store that was behind and refused for ever.
  ['the same faults as ever', FIXED_SEED],
  ['faults of today', randomInt(1, 2 ** 31)],
])(
  '%s: nothing is lost, doubled, reordered or late (seed %i)',
  async (_, seed) => {
    const options = { seed, minutes: 0.5, rate: 15, users: 6, kinds: chosenKinds(BRISK), brisk: true };
    const result = await runFaults(world, { ...options, report: () => undefined });
    const summary = await judged(result, 'test');
    expect(brokenIn(summary)).toEqual([]);
    expect(summary.totals.acked).toBeGreaterThan(100);
    expect(summary.faults.length).toBeGreaterThan(0);
  },
  200_000,
);
