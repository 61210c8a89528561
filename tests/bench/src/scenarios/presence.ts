import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import type { Change } from '../generator/commands.js';
import { type GeneratorProcess, Generators } from '../generator-process.js';
import { type Latency, latencyOfMs } from '../latency.js';
import { median, sum } from '../measure.js';
import type { Outcome } from '../outcome.js';
import { cpuBetween, usageOf } from '../process-usage.js';
import { at, connection, type Context, replicasOf, type Scenario, specOf } from './scenario.js';

const USERS = 5_000;
const FOLLOWED = 10;
const CHURN_PER_SECOND = 100;
const CHURN_SECONDS = 15;
const SETTLE_MS = 8_000;
/** Offline is told when a user has not come back for a while. */
const LATE_MS = 10_000;

/** 50,000 subscriptions, and users who go and come. */
export const runPresence: Scenario = async ({ settings, say }: Context) => {
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(1);
  const generator = generators.at(0);
  const users = Math.ceil(USERS * settings.scale);
  const accounts = await fleet.importUsers(users);
  const specs = accounts.map((account, index) => specOf(account, [], at(fleet.edges, index % fleet.edges.length)));
  await generator.call('connect', connection(specs, settings));
  const followed = accounts.map((_, index) =>
    Array.from({ length: FOLLOWED }, (_unused, k) => at(accounts, (index + k * 37 + 1) % users).userId),
  );
  await generator.call('subscribe', followed);
  await delay(SETTLE_MS);
  await generator.call('changes', null);
  say(`presence: ${String(users * FOLLOWED)} subscriptions`);
  const all: Found[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    const one = { users, ...(await churned(fleet, generator, CHURN_PER_SECOND * settings.scale)) };
    say(
      `presence: ${String(one.told)} told, online p99 ${one.online.p99.toFixed(0)} ms, offline p99 ${one.offline.p99.toFixed(0)} ms`,
    );
    all.push(one);
  }
  return outcomeOf(median(all, ({ online }) => online.p99));
};

async function churned(
  fleet: BenchFleet,
  generator: GeneratorProcess,
  perSecond: number,
): Promise<Omit<Found, 'users'>> {
  const before = await usageOf(fleet.processes());
  await generator.call('churn', { perSecond, seconds: CHURN_SECONDS });
  await delay(LATE_MS);
  const cpu = cpuBetween(before, await usageOf(fleet.processes()));
  const { made, told } = await generator.call('changes', null);
  return { made: made.length, ...delays(made, told), cpuUs: sum(cpu.map(({ cpuUs }) => cpuUs)) };
}

/** How long each of the told changes was on its way: matched with the last such change of that user before. */
export function delays(
  made: readonly Change[],
  told: readonly Change[],
): { readonly told: number; readonly online: Latency; readonly offline: Latency } {
  const times = new Map<string, number[]>();
  for (const { userId, online, atUs } of made) {
    const key = `${userId} ${String(online)}`;
    const known = times.get(key);
    if (known === undefined) times.set(key, [atUs]);
    else known.push(atUs);
  }
  const took = { true: [] as number[], false: [] as number[] };
  for (const { userId, online, atUs } of told) {
    const since = (times.get(`${userId} ${String(online)}`) ?? []).filter((time) => time <= atUs).at(-1);
    if (since !== undefined) took[online ? 'true' : 'false'].push((atUs - since) / 1_000);
  }
  return { told: told.length, online: latencyOfMs(took.true), offline: latencyOfMs(took.false) };
}

interface Found {
  readonly users: number;
  readonly made: number;
  readonly told: number;
  readonly online: Latency;
  readonly offline: Latency;
  readonly cpuUs: number;
}

function outcomeOf({ users, made, told, online, offline, cpuUs }: Found): Outcome {
  return {
    scenario: 'presence',
    setup: `${String(users)} users follow ${String(FOLLOWED)} others each; one in fifty a second go and come again after 6 s, for ${String(CHURN_SECONDS)} s.`,
    figures: [
      { what: 'changes', value: made, unit: '' },
      { what: 'told, of those to be told', value: (100 * told) / (made * FOLLOWED), unit: '%' },
      { what: 'online is told after (login included), p50', value: online.p50, unit: 'ms' },
      { what: 'online is told after (login included), p99', value: online.p99, unit: 'ms' },
      { what: 'offline is told after (3 s of grace included), p50', value: offline.p50, unit: 'ms' },
      { what: 'offline is told after (3 s of grace included), p99', value: offline.p99, unit: 'ms' },
      { what: 'CPU of all processes for one that is told (login included)', value: cpuUs / told, unit: 'µs' },
    ],
    rows: [],
    data: { users, made, told, online, offline, cpuUs },
  };
}
