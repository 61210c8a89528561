import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { cpuEach, measure, type Measurement, median } from '../measure.js';
import type { Figure, Outcome } from '../outcome.js';
import { connectGroups, createGroups } from './population.js';
import { type Context, replicasOf, type Scenario } from './scenario.js';

const MEMBERS = 10_000;
const GENERATORS = 3;
const RATE = 10;
const RECHECKED_MS = 25_000;

/** One group of 10,000, everybody online: how long until the last one has it. */
export const runCrowd: Scenario = async ({ settings, say }: Context) => {
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(GENERATORS);
  const members = Math.ceil(MEMBERS * settings.scale);
  const [group] = await createGroups({ fleet, say }, 1, members);
  if (group === undefined) throw new Error('no group was made');
  await connectGroups([group], generators, { edges: fleet.edges, settings });
  say(`crowd: ${String(members)} members are connected`);
  await delay(RECHECKED_MS);
  const load = {
    generators,
    processes: fleet.processes,
    recipients: members - 1,
    toggleProfiles: fleet.toggleProfiles,
  };
  const all: Measurement[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    const { seconds, warmupSeconds } = settings;
    const one = await measure({ ...load, rate: RATE, warmupSeconds, seconds, sending: [0], perMessage: true });
    const { lastReached, reachedAll, offered } = one;
    say(
      `crowd: ${String(reachedAll)} of ${String(offered)} reached all, last one p50 ${ms(lastReached?.p50)}, p99 ${ms(lastReached?.p99)}, ${cpuEach(one, one.delivered).toFixed(1)} µs a delivery (others ${one.othersCores.toFixed(1)} cores)`,
    );
    all.push(one);
  }
  return {
    scenario: 'crowd',
    setup: `One group of ${String(members)} online members, ${String(RATE)} messages a second by one of them, stored; ${String(GENERATORS)} processes read.`,
    ...crowdOutcome(
      median(all, ({ lastReached }) => lastReached?.p99 ?? Infinity),
      members,
    ),
  };
};

export function crowdOutcome(one: Measurement, members: number): Pick<Outcome, 'figures' | 'rows' | 'data'> {
  const { lastReached } = one;
  const last: Figure[] =
    lastReached === undefined
      ? []
      : [
          {
            what: 'last member has it, p50',
            value: lastReached.p50,
            unit: 'ms',
            goal: { atLeast: 130, aim: 60, better: 'lower' },
          },
          {
            what: 'last member has it, p99',
            value: lastReached.p99,
            unit: 'ms',
            goal: { atLeast: 200, aim: 100, better: 'lower' },
          },
        ];
  return {
    figures: [
      ...last,
      { what: 'messages that reached all, of those offered', value: (100 * one.reachedAll) / one.offered, unit: '%' },
      { what: 'CPU of fleet and servers for a delivery', value: cpuEach(one, one.delivered), unit: 'µs' },
    ],
    rows: [{ name: `${String(RATE)} messages/s to ${String(members)}`, measurement: one }],
    data: { best: one },
  };
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${value.toFixed(0)} ms`;
}
