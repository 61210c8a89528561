import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { cpuEach, measure, type Measurement, median } from '../measure.js';
import type { Outcome } from '../outcome.js';
import { searchRate, verdictOf } from '../search-rate.js';
import { connectGroups, createGroups } from './population.js';
import { replicasOf, type Scenario } from './scenario.js';

const GROUPS = 1_000;
const SIZE = 10;
const RECIPIENTS = SIZE - 1;
const GENERATORS = 2;
const MAX_P99_MS = 200;
const SEARCH = { from: 500, to: 12_000, least: 50, precision: 0.1, step: 1.6 };
const PROBE = { warmupSeconds: 1, seconds: 4 };
const RECHECKED_MS = 12_000;

/** Small groups, everybody online: deliveries are what counts. */
export const runGroups: Scenario = async (context) => {
  const { settings, say } = context;
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(GENERATORS);
  const count = Math.ceil(GROUPS * settings.scale);
  const groups = await createGroups({ fleet, say }, count, SIZE);
  await connectGroups(groups, generators, { edges: fleet.edges, settings });
  say(`groups: ${String(count * SIZE)} members are connected`);
  await delay(RECHECKED_MS);
  const { processes, toggleProfiles } = fleet;
  const load = { generators, processes, recipients: RECIPIENTS };
  const rate = await searchRate(async (offered) => {
    const probe = await measure({ ...load, rate: offered, ...PROBE });
    say(`groups: ${describe(probe)}`);
    return verdictOf({ isWhole: probe.delivered >= probe.offered * RECIPIENTS * 0.999, ...probe.delivery }, MAX_P99_MS);
  }, SEARCH);
  const all: Measurement[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    const { seconds, warmupSeconds } = settings;
    const one = await measure({ ...load, rate: Math.max(rate, 100), warmupSeconds, seconds, toggleProfiles });
    say(`groups: ${describe(one)}`);
    all.push(one);
  }
  return outcomeOf(
    median(all, ({ delivery }) => delivery.p99),
    count,
  );
};

function describe(one: Measurement): string {
  return `${String(one.rate)}/s offered, ${one.deliveredPerSecond.toFixed(0)} deliveries/s, p99 ${one.delivery.p99.toFixed(0)} ms, ${cpuEach(one, one.delivered).toFixed(1)} µs each (others ${one.othersCores.toFixed(1)} cores)`;
}

function outcomeOf(best: Measurement, count: number): Outcome {
  return {
    scenario: 'groups',
    setup: `${String(count)} groups of ${String(SIZE)} online members; one of each writes. The highest rate with delivery p99 <= ${String(MAX_P99_MS)} ms and nothing missing.`,
    figures: [
      {
        what: 'deliveries',
        value: best.deliveredPerSecond,
        unit: '/s',
        goal: { atLeast: 30_000, aim: 100_000, better: 'higher' },
      },
      {
        what: 'CPU of all processes for one',
        value: cpuEach(best, best.delivered),
        unit: 'µs',
        goal: { atLeast: 40, aim: 15, better: 'lower' },
      },
      { what: 'delivery p50', value: best.delivery.p50, unit: 'ms' },
      { what: 'delivery p99', value: best.delivery.p99, unit: 'ms' },
    ],
    rows: [{ name: `${String(best.rate)} messages/s`, measurement: best }],
    data: { best },
  };
}
