import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { CROWD_GENERATORS, crowdOf, measureCrowd } from './measure-crowd.js';
import { connectGroups, createGroups } from './population.js';
import { type Context, replicasOf, type Scenario } from './scenario.js';

const RECHECKED_MS = 12_000;

/** One group of 10,000, everybody online: how long until the last one has it. */
export const runCrowd: Scenario = async (context: Context) => {
  const { settings, say } = context;
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(CROWD_GENERATORS);
  const members = crowdOf(settings);
  const [group] = await createGroups({ fleet, say }, 1, members);
  if (group === undefined) throw new Error('no group was made');
  await connectGroups([group], generators, { edges: fleet.edges, settings });
  say(`crowd: ${String(members)} members are connected`);
  await delay(RECHECKED_MS);
  const { processes, toggleProfiles } = fleet;
  return {
    scenario: 'crowd',
    setup: `One group of ${String(members)} online members, 10 messages a second by one of them, stored; ${String(CROWD_GENERATORS)} processes read.`,
    ...(await measureCrowd({ generators, processes, toggleProfiles, recipients: members - 1 }, context)),
  };
};
