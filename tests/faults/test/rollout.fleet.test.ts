import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildEnvironment } from '@godwit/local-stack/build';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chosenKinds } from '../src/plan/fault-kinds.js';
import { runFaults } from '../src/run.js';
import { Release } from '../src/world/release.js';
import { World } from '../src/world/world.js';
import { brokenIn, judged } from './judged.js';

// A fleet of the last release, two replicas of everything, is rolled to what stands here, back, and forward again in the
// other order, while people chat. Whatever one build writes or says, the other has to understand.

let dir: string;
let world: World;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-rollout-'));
  const release = Release.unpack(path.join(dir, 'release'));
  world = await World.start({ dir: path.join(dir, 'stack'), release, mongo: { members: 1 }, nats: { members: 1 } });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const revisionsOf = async ({ stack }: World): Promise<unknown[]> =>
  Promise.all(
    stack.replicas.map(async ({ name }) => {
      const health = (await (await fetch(`${stack.httpUrl(name)}/healthz`)).json()) as { revision?: string };
      return health.revision;
    }),
  );

it(
  'from release to now, back and forward again: nothing is lost, doubled or reordered',
  { timeout: 900_000 },
  async () => {
    // Over when all is rolled; so many minutes are the most.
    const options = { minutes: 10, rate: 10, users: 6, kinds: chosenKinds(['roll-']), inTurn: true, brisk: true };
    const result = await runFaults(world, { ...options, seed: randomInt(1, 2 ** 31), report: () => undefined });
    const summary = await judged(result, 'rollout');
    expect(brokenIn(summary)).toEqual([]);
    expect(result.history.faults.map(({ kind, failure }) => [kind, failure])).toEqual([
      ['roll-forward', undefined],
      ['roll-back', undefined],
      ['roll-edges-first', undefined],
    ]);
    expect(summary.totals.acked).toBeGreaterThan(100);
    expect(new Set(await revisionsOf(world))).toEqual(new Set([buildEnvironment().GODWIT_REVISION]));
  },
);
