import { setTimeout as delay } from 'node:timers/promises';
import { privateConversation } from '@godwit/ids/conversation';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { cpuEach, type Load, measure, type Measurement, median } from '../measure.js';
import type { Figure, Outcome, Row } from '../outcome.js';
import { type Search, searchRate } from '../search-rate.js';
import { at, connection, type Context, replicasOf, type Scenario, specOf } from './scenario.js';

const PAIRS = 400;
const MAX_P99_MS = 200;
const QUIET_RATES = [200, 1_000];
const SEARCH: Search = { from: 1_500, to: 20_000, precision: 0.06, step: 1.5 };
const PROBE = { warmupSeconds: 2, seconds: 5 };
const FIRST_MESSAGES_A_SECOND = 50;
const MAX_BEGINNINGS = 10;
/** The second look at a device, 5 s after it came, is over. */
const RECHECKED_MS = 7_000;
const OVERLOAD_SECONDS = 10;

/** Durable one-to-one messages. */
export const runPrivate: Scenario = async (context) => {
  const { settings, say } = context;
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(1);
  const load = await startPrivate(fleet, generators, context);
  if (settings.rate !== undefined) {
    const fixed = await repeated(load, settings.rate, context);
    return outcomeOf({ quiet: [fixed], best: undefined, overload: undefined }, context);
  }
  const quiet: Measurement[] = [];
  for (const rate of QUIET_RATES) quiet.push(await repeated(load, rate, context));
  const bestRate = await searchRate(async (rate) => {
    const probe = await measure({ ...load, rate, ...PROBE });
    say(`private: ${describe(probe)}`);
    return holds(probe);
  }, SEARCH);
  if (bestRate === 0) return outcomeOf({ quiet, best: undefined, overload: undefined }, context);
  const best = await repeated(load, bestRate, context);
  const overload = await measure({ ...load, rate: bestRate * 2, warmupSeconds: 3, seconds: OVERLOAD_SECONDS });
  say(`private, twice the best: ${describe(overload)}`);
  return outcomeOf({ quiet, best, overload }, context);
};

export type PrivateLoad = Pick<Load, 'generators' | 'processes' | 'recipients' | 'toggleProfiles'>;

/** Pairs of devices, connected, that have said something to each other. */
export async function startPrivate(
  fleet: BenchFleet,
  generators: Generators,
  { settings }: Pick<Context, 'settings'>,
): Promise<PrivateLoad> {
  const accounts = await fleet.importUsers(PAIRS * 2);
  const { edges } = fleet;
  const clients = Array.from({ length: PAIRS }, (_, pair) => {
    const [sender, recipient] = [at(accounts, pair * 2), at(accounts, pair * 2 + 1)];
    const conversation = privateConversation(sender.userId, recipient.userId);
    return [
      specOf(sender, [conversation], at(edges, pair % edges.length)),
      specOf(recipient, [], at(edges, (pair + 1) % edges.length)),
    ];
  }).flat();
  await generators.at(0).call('connect', connection(clients, settings));
  const load = { generators, processes: fleet.processes, recipients: 1 };
  await delay(RECHECKED_MS);
  await beginAll(load);
  return { ...load, toggleProfiles: fleet.toggleProfiles };
}

/** The first message of a pair creates its conversation, which is not what is measured. */
async function beginAll(load: PrivateLoad): Promise<void> {
  const rate = FIRST_MESSAGES_A_SECOND;
  for (let attempt = 1; attempt <= MAX_BEGINNINGS; attempt += 1) {
    const one = await measure({ ...load, rate, warmupSeconds: 0, seconds: PAIRS / rate + 1, messages: PAIRS });
    if (one.acked === PAIRS) return;
  }
  throw new Error('the conversations could not be begun: is the machine busy with something else?');
}

/** Keeps up, and loses nothing. */
export function holds({ offered, acked, delivered, ack }: Measurement): boolean {
  return ack.p99 <= MAX_P99_MS && acked >= offered * 0.999 && delivered >= acked;
}

async function repeated(load: PrivateLoad, rate: number, { settings, say }: Context): Promise<Measurement> {
  const all: Measurement[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    const one = await measure({ ...load, rate, warmupSeconds: settings.warmupSeconds, seconds: settings.seconds });
    say(`private: ${describe(one)}`);
    all.push(one);
  }
  return median(all, ({ ack }) => ack.p99);
}

function describe(one: Measurement): string {
  const { rate, ackedPerSecond, ack, acked, othersCores } = one;
  const cpu = cpuEach(one, acked).toFixed(0);
  return `${String(rate)}/s offered, ${ackedPerSecond.toFixed(0)}/s acked, p50 ${ack.p50.toFixed(1)} ms, p99 ${ack.p99.toFixed(0)} ms, ${cpu} µs a message (others ${othersCores.toFixed(1)} cores)`;
}

interface Found {
  readonly quiet: readonly Measurement[];
  readonly best: Measurement | undefined;
  readonly overload: Measurement | undefined;
}

function outcomeOf({ quiet, best, overload }: Found, { settings }: Context): Outcome {
  const rows: Row[] = quiet.map((measurement) => ({ name: `${String(measurement.rate)}/s`, measurement }));
  if (best !== undefined) rows.push({ name: `best, ${String(best.rate)}/s`, measurement: best });
  if (overload !== undefined) rows.push({ name: `twice that`, measurement: overload });
  const quietFigures = quiet.flatMap(figuresAt);
  return {
    scenario: 'private',
    setup: `${String(PAIRS)} pairs of devices, ${String(settings.payloadBytes)} bytes of text, acked when stored by the majority, delivered to the other; ${String(settings.replicas)} each of edge, router, message-store and session. Best: the highest rate with ack p99 <= ${String(MAX_P99_MS)} ms and nothing missing.`,
    figures: [
      ...quietFigures,
      ...(best === undefined ? [] : bestFigures(best)),
      ...(best === undefined || overload === undefined ? [] : overloadFigures(best, overload)),
    ],
    rows,
    data: { quiet, best, overload },
  };
}

function figuresAt(one: Measurement): Figure[] {
  const name = `${String(one.rate)}/s`;
  const goals = one.rate === 1_000 ? { p50: { atLeast: 5, aim: 3 }, p99: { atLeast: 25, aim: 12 } } : undefined;
  const first = one.rate === 200 ? { p50: { atLeast: 10, aim: 10 }, p99: { atLeast: 50, aim: 50 } } : goals;
  const lower = (goal: { atLeast: number; aim: number } | undefined) =>
    goal === undefined ? {} : { goal: { ...goal, better: 'lower' as const } };
  return [
    { what: `ack p50 at ${name}`, value: one.ack.p50, unit: 'ms', ...lower(first?.p50) },
    { what: `ack p99 at ${name}`, value: one.ack.p99, unit: 'ms', ...lower(first?.p99) },
    { what: `delivery p99 at ${name}`, value: one.delivery.p99, unit: 'ms' },
    { what: `CPU of fleet and servers for a message at ${name}`, value: cpuEach(one, one.acked), unit: 'µs' },
  ];
}

function bestFigures(best: Measurement): Figure[] {
  return [
    {
      what: 'best rate, acked and delivered',
      value: best.ackedPerSecond,
      unit: '/s',
      goal: { atLeast: 4_500, aim: 10_000, better: 'higher' },
    },
    { what: 'ack p99 at the best rate', value: best.ack.p99, unit: 'ms' },
    {
      what: 'CPU of fleet and servers for a message at the best rate',
      value: cpuEach(best, best.acked),
      unit: 'µs',
      goal: { atLeast: 300, aim: 150, better: 'lower' },
    },
  ];
}

function overloadFigures(best: Measurement, overload: Measurement): Figure[] {
  const refusals = Object.values(overload.refused).reduce((a, b) => a + b, 0);
  return [
    {
      what: 'goodput when offered twice the best, of the best',
      value: (100 * overload.ackedPerSecond) / Math.max(1, best.ackedPerSecond),
      unit: '%',
      goal: { atLeast: 80, aim: 95, better: 'higher' },
    },
    { what: 'refused then', value: refusals, unit: '' },
    {
      what: 'of them without retryAfterMs',
      value: overload.refusedForGood,
      unit: '',
      goal: { atLeast: 0, aim: 0, better: 'lower' },
    },
    { what: 'neither acked nor refused then', value: overload.offered - overload.acked - refusals, unit: '' },
  ];
}
