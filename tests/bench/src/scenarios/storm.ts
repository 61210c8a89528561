import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { measure, type Measurement } from '../measure.js';
import type { Outcome } from '../outcome.js';
import { type Arrival, arrivalOf, connectGroups, createGroups, type Group } from './population.js';
import { startPrivate } from './private.js';
import { at, connection, type Context, replicasOf, type Scenario, specOf } from './scenario.js';

const GROUPS = 1_000;
const SIZE = 11;
const MEMBERS = SIZE - 1;
const BACKLOG = 50;
const GENERATORS = 2;
/** The author of each group is not cut off and writes the backlog at this rate. */
const BACKLOG_RATE = 500;
const LIVE_RATE = 200;
const LIVE_SECONDS = 30;
const LIVE_WARMUP_SECONDS = 3;
const AT_A_TIME = 2_000;

/** 10,000 clients are cut off at once, miss 50 messages each and come back together, while others go on talking. */
export const runStorm: Scenario = async (context: Context) => {
  const { settings, say } = context;
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using members = new Generators(GENERATORS);
  using authors = new Generators(1);
  using talkers = new Generators(1);
  const count = Math.ceil(GROUPS * settings.scale);
  const groups = await createGroups({ fleet, say }, count, SIZE);
  await connectAuthors(groups, authors, { fleet, context });
  const others = groups.map((group) => ({ ...group, members: group.members.slice(1) }));
  await connectGroups(others, members, { edges: fleet.edges, settings });
  const talking = await startPrivate(fleet, talkers, context);
  say(`storm: ${String(count * MEMBERS)} members are connected`);
  await members.each('cut', () => null);
  await delay(3_000);
  await writeBacklog(authors.with(members), { fleet, messages: count * BACKLOG });
  say(`storm: cut off, ${String(BACKLOG)} messages wait for each`);
  const live = measure({ ...talking, rate: LIVE_RATE, warmupSeconds: LIVE_WARMUP_SECONDS, seconds: LIVE_SECONDS });
  await delay(LIVE_WARMUP_SECONDS * 1_000);
  const arrival = arrivalOf(await members.each('reconnect', () => ({ atATime: AT_A_TIME })));
  say(`storm: all synced after ${(arrival.tookMs / 1_000).toFixed(1)} s, ${String(arrival.retries)} retries`);
  const counts = await members.each('counts', () => null);
  const delivered = counts.reduce((sum, one) => sum + one.delivered, 0);
  return outcomeOf({ groups: count, arrival, delivered, live: await live });
};

async function connectAuthors(
  groups: readonly Group[],
  authors: Generators,
  { fleet, context }: { fleet: BenchFleet; context: Context },
): Promise<void> {
  const specs = groups.map(({ conversationId, headSeq, members }, index) => ({
    ...specOf(at(members, 0), [conversationId], at(fleet.edges, index % fleet.edges.length)),
    cursors: [{ conversationId, seq: headSeq }],
  }));
  await authors.at(0).call('connect', connection(specs, context.settings));
}

/** @param generators the authors first; the others learn which messages to count when they come back */
async function writeBacklog(
  generators: Generators,
  { fleet, messages }: { fleet: BenchFleet; messages: number },
): Promise<void> {
  const load = { generators, processes: fleet.processes, recipients: 0, rate: BACKLOG_RATE, messages, sending: [0] };
  const written = await measure({ ...load, warmupSeconds: 0, seconds: messages / BACKLOG_RATE + 1 });
  if (written.acked < messages) throw new Error(`only ${String(written.acked)} of ${String(messages)} were stored`);
}

interface Found {
  readonly groups: number;
  readonly arrival: Arrival;
  readonly delivered: number;
  readonly live: Measurement;
}

function outcomeOf({ groups, arrival, delivered, live }: Found): Outcome {
  return {
    scenario: 'storm',
    setup: `${String(groups * MEMBERS)} clients in ${String(groups)} groups are cut off at once, ${String(BACKLOG)} messages are written for each, then all come back together; ${String(LIVE_RATE)} private messages/s go on.`,
    figures: [
      {
        what: 'all synced after',
        value: arrival.tookMs / 1_000,
        unit: 's',
        goal: { atLeast: 20, aim: 8, better: 'lower' },
      },
      {
        what: 'live ack p99 meanwhile',
        value: live.ack.p99,
        unit: 'ms',
        goal: { atLeast: 500, aim: 200, better: 'lower' },
      },
      { what: 'live messages acked, of those offered', value: (100 * live.acked) / live.offered, unit: '%' },
      { what: 'synced clients', value: arrival.clients / (arrival.tookMs / 1_000), unit: '/s' },
      { what: 'half of them synced after', value: arrival.latency.p50 / 1_000, unit: 's' },
      { what: 'messages of the backlog delivered', value: delivered, unit: '' },
      { what: 'attempts that were refused', value: arrival.retries, unit: '' },
    ],
    rows: [{ name: 'live meanwhile', measurement: live }],
    data: { groups, arrival, delivered, live },
  };
}
