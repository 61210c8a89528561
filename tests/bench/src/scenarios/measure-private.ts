import { cpuEach, type Load, measure, type Measurement, median, memoryOf } from '../measure.js';
import type { Figure, Outcome, Row } from '../outcome.js';
import { type Search, searchRate, type Verdict, verdictOf } from '../search-rate.js';
import type { Context } from './scenario.js';

export const PAIRS = 400;
const MAX_P99_MS = 200;
const QUIET_RATES = [200, 1_000];
const SEARCH: Search = { from: 1_500, to: 20_000, least: 250, precision: 0.08, step: 1.5 };
const PROBE = { warmupSeconds: 1, seconds: 4 };
const OVERLOAD_SECONDS = 10;

export type PrivateLoad = Pick<Load, 'generators' | 'processes' | 'recipients' | 'toggleProfiles'>;

/** One-to-one messages of whichever system: at fixed rates, at the best one it holds, and at twice that. */
export async function measurePrivate(
  load: PrivateLoad,
  context: Context,
): Promise<Pick<Outcome, 'figures' | 'rows' | 'data'>> {
  const { settings, say } = context;
  const quiet: Measurement[] = [];
  for (const rate of settings.rate === undefined ? QUIET_RATES : [settings.rate]) {
    quiet.push(await repeated(load, rate, context));
  }
  if (settings.rate !== undefined) return foundOf({ quiet, best: undefined, overload: undefined });
  const bestRate = await searchRate(async (rate) => {
    const probe = await measure({ ...load, rate, ...PROBE });
    say(`private: ${describe(probe)}`);
    return verdictOn(probe);
  }, SEARCH);
  if (bestRate === 0) return foundOf({ quiet, best: undefined, overload: undefined });
  const best = await repeated(load, bestRate, context);
  const overload = await measure({ ...load, rate: bestRate * 2, warmupSeconds: 3, seconds: OVERLOAD_SECONDS });
  say(`private, twice the best: ${describe(overload)}`);
  return foundOf({ quiet, best, overload });
}

/** Keeps up, and loses nothing. */
function verdictOn({ offered, acked, delivered, ack }: Measurement): Verdict {
  return verdictOf({ isWhole: acked >= offered * 0.999 && delivered >= acked, ...ack }, MAX_P99_MS);
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

function foundOf({ quiet, best, overload }: Found): Pick<Outcome, 'figures' | 'rows' | 'data'> {
  const rows: Row[] = quiet.map((measurement) => ({ name: `${String(measurement.rate)}/s`, measurement }));
  if (best !== undefined) rows.push({ name: `best, ${String(best.rate)}/s`, measurement: best });
  if (overload !== undefined) rows.push({ name: `twice that`, measurement: overload });
  return {
    figures: [
      ...quiet.flatMap(figuresAt),
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
  const lower = (goal?: { atLeast: number; aim: number }) =>
    goal === undefined ? { better: 'lower' as const } : { goal: { ...goal, better: 'lower' as const } };
  return [
    { what: `ack p50 at ${name}`, value: one.ack.p50, unit: 'ms', ...lower(first?.p50) },
    { what: `ack p99 at ${name}`, value: one.ack.p99, unit: 'ms', ...lower(first?.p99) },
    { what: `delivery p99 at ${name}`, value: one.delivery.p99, unit: 'ms', ...lower() },
    { what: `CPU of all processes for a message at ${name}`, value: cpuEach(one, one.acked), unit: 'µs', ...lower() },
    { what: `memory of all processes at ${name}`, value: memoryOf(one) / 2 ** 20, unit: 'MiB', ...lower() },
  ];
}

function bestFigures(best: Measurement): Figure[] {
  return [
    {
      what: `best rate with ack p99 <= ${String(MAX_P99_MS)} ms, acked and delivered`,
      value: best.ackedPerSecond,
      unit: '/s',
      goal: { atLeast: 4_500, aim: 10_000, better: 'higher' },
    },
    { what: 'ack p99 at the best rate', value: best.ack.p99, unit: 'ms' },
    { what: 'delivery p99 at the best rate', value: best.delivery.p99, unit: 'ms' },
    {
      what: 'CPU of all processes for a message at the best rate',
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
