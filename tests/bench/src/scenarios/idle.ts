import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import type { Account } from '../generator/client.js';
import { Generators } from '../generator-process.js';
import { sum } from '../measure.js';
import type { Figure, Outcome } from '../outcome.js';
import { cpuBetween, type Usage, usageOf } from '../process-usage.js';
import { arrivalOf } from './population.js';
import { at, connection, type Context, type Scenario, specOf } from './scenario.js';

/** Sockets of one edge and of one generator: below the 20,000 files that a process may have open. */
const SOCKETS_A_PROCESS = 18_000;
const MAX_FIRST = 10_000;
/** The second look at a device comes 5 s after it connected, and its garbage after that. */
const SETTLE_MS = 30_000;
/** A heartbeat comes every 20 s: three of each socket. */
const WATCH_SECONDS = 60;

/** As many authenticated sockets as are asked for, which say nothing but their heartbeats. */
export const runIdle: Scenario = async ({ settings, say }: Context) => {
  const count = Math.ceil(settings.sockets / SOCKETS_A_PROCESS);
  await using fleet = await BenchFleet.start({ replicas: { edge: count }, profiles: settings.profiles });
  using first = new Generators(1);
  using generators = new Generators(count);
  const accounts = await fleet.importUsers(settings.sockets);
  say(`idle: ${String(accounts.length)} users, ${String(count)} edges`);
  const [few, most] = split(accounts);
  await first.at(0).call('connect', {
    ...connection(
      few.map((account, index) => specOf(account, [], at(fleet.edges, index % count))),
      settings,
    ),
    atATime: 16,
  });
  await delay(SETTLE_MS);
  const before = edgesIn(await usageOf(fleet.processes()));
  const perProcess = Math.ceil(most.length / count);
  const connected = await generators.each('connect', (index) => {
    const mine = most.slice(index * perProcess, (index + 1) * perProcess);
    const url = at(fleet.edges, index);
    const localAddress = `127.0.0.${String(2 + index)}`;
    return {
      ...connection(
        mine.map((account) => ({ ...specOf(account, [], url), localAddress })),
        settings,
      ),
      atATime: 16,
    };
  });
  const arrival = arrivalOf(connected);
  say(`idle: ${String(arrival.clients)} connected in ${(arrival.tookMs / 1_000).toFixed(0)} s`);
  await delay(SETTLE_MS);
  const settled = await usageOf(fleet.processes());
  await delay(WATCH_SECONDS * 1_000);
  const after = await usageOf(fleet.processes());
  const cpu = cpuBetween(settled, after);
  return outcomeOf({
    sockets: arrival.clients + few.length,
    added: arrival.clients,
    bytes: edgesIn(after).rssBytes - before.rssBytes,
    edgeCpuUs: sum(cpu.filter(({ name }) => name.startsWith('edge')).map(({ cpuUs }) => cpuUs)),
    fleetCpuUs: sum(cpu.map(({ cpuUs }) => cpuUs)),
    loginsPerSecond: arrival.clients / (arrival.tookMs / 1_000),
    edges: count,
    watchedSeconds: WATCH_SECONDS,
    usage: after,
  });
};

/**
 * The first tenth comes before memory is looked at: an edge that has just started holds garbage of its start, and what it
 * has compiled and allocated once for all sockets is not what a socket costs.
 */
function split(accounts: readonly Account[]): [first: readonly Account[], rest: readonly Account[]] {
  const first = Math.min(MAX_FIRST, Math.ceil(accounts.length / 10));
  return [accounts.slice(0, first), accounts.slice(first)];
}

function edgesIn(usage: readonly Usage[]): { rssBytes: number } {
  return { rssBytes: sum(usage.filter(({ name }) => name.startsWith('edge')).map(({ rssBytes }) => rssBytes)) };
}

export interface IdleFound {
  readonly sockets: number;
  /** Of them, those that came after the memory was looked at for the first time. */
  readonly added: number;
  readonly bytes: number;
  readonly edgeCpuUs: number;
  readonly fleetCpuUs: number;
  readonly loginsPerSecond: number;
  readonly edges: number;
  readonly watchedSeconds: number;
  readonly usage: readonly Usage[];
}

/** Fewer sockets drown in what the collector happens to have left over at either look. */
const ENOUGH_TO_WEIGH = 5_000;

function memoryFigures({ added, bytes }: IdleFound): Figure[] {
  if (added < ENOUGH_TO_WEIGH) return [];
  const goal = { atLeast: 6, aim: 3, better: 'lower' } as const;
  return [{ what: 'memory of the edges for a socket', value: bytes / added / 1_024, unit: 'KiB', goal }];
}

function outcomeOf(found: IdleFound): Outcome {
  const socketSeconds = found.sockets * WATCH_SECONDS;
  return {
    scenario: 'idle',
    setup: `${String(found.sockets)} authenticated sockets on ${String(found.edges)} edges, a heartbeat each every 20 s; memory is what the edges have grown by, CPU is of ${String(WATCH_SECONDS)} s.`,
    figures: [
      { what: 'sockets', value: found.sockets, unit: '', goal: { atLeast: 100_000, aim: 200_000, better: 'higher' } },
      ...memoryFigures(found),
      {
        what: 'CPU of the edges for a socket and second',
        value: found.edgeCpuUs / socketSeconds,
        unit: 'µs',
        goal: { atLeast: 2, aim: 0.8, better: 'lower' },
      },
      { what: 'CPU of the whole fleet for a socket and second', value: found.fleetCpuUs / socketSeconds, unit: 'µs' },
      { what: 'connected, authenticated and synced', value: found.loginsPerSecond, unit: '/s' },
    ],
    rows: [],
    data: found,
  };
}
