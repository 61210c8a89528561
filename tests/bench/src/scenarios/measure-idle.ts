import { setTimeout as delay } from 'node:timers/promises';
import type { Account } from '../generator/client.js';
import type { System } from '../generator/commands.js';
import { Generators } from '../generator-process.js';
import { median, sum } from '../measure.js';
import type { Figure, Outcome } from '../outcome.js';
import { cpuBetween, type NamedPid, type Usage, usageOf } from '../process-usage.js';
import { type Arrival, arrivalOf } from './population.js';
import { at, connection, type Context, HEARTBEAT_MS, specOf } from './scenario.js';

/** Sockets of one edge and of one generator: below the 20,000 files that a process may have open. */
const SOCKETS_A_PROCESS = 18_000;
const MAX_FIRST = 4_000;
/** The second look at a device comes 5 s after it connected, and its garbage after that. */
const SETTLE_MS = 20_000;
/** One heartbeat of each socket. */
const WATCH_MS = HEARTBEAT_MS;
const AT_A_TIME = 16;

/** How many processes have the sockets, and how many generators. */
export function idleProcesses(sockets: number): number {
  return Math.ceil(sockets / SOCKETS_A_PROCESS);
}

export interface IdleLoad {
  readonly system: System;
  readonly urls: readonly string[];
  readonly accounts: readonly Account[];
  readonly processes: () => readonly NamedPid[];
  /** Names of the processes that have the sockets begin so. */
  readonly edge: string;
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

/** Sockets of whichever system that say nothing but their heartbeats. */
export async function measureIdle(load: IdleLoad, context: Context): Promise<IdleFound> {
  const { settings, say } = context;
  const { accounts, processes, edge, urls } = load;
  using first = new Generators(1);
  using generators = new Generators(urls.length);
  const [few, most] = split(accounts);
  const fewSpecs = few.map((account, index) => specOf(account, [], at(urls, index % urls.length)));
  await first.at(0).call('connect', { ...connection(fewSpecs, settings, load.system), atATime: AT_A_TIME });
  await delay(SETTLE_MS);
  const before = bytesOf(await usageOf(processes()), edge);
  const arrival = await connectMost(most, load, { generators, context });
  say(`idle: ${String(arrival.clients)} connected in ${(arrival.tookMs / 1_000).toFixed(0)} s`);
  await delay(SETTLE_MS);
  const watched: Cpu[] = [];
  for (let i = 0; i < settings.repeats; i += 1) watched.push(await watch(processes, edge));
  const usage = await usageOf(processes());
  return {
    ...median(watched, ({ edgeCpuUs }) => edgeCpuUs),
    sockets: arrival.clients + few.length,
    added: arrival.clients,
    bytes: bytesOf(usage, edge) - before,
    loginsPerSecond: arrival.clients / (arrival.tookMs / 1_000),
    edges: urls.length,
    watchedSeconds: WATCH_MS / 1_000,
    usage,
  };
}

/**
 * The first tenth comes before memory is looked at: an edge that has just started holds garbage of its start, and what it
 * has compiled and allocated once for all sockets is not what a socket costs.
 */
function split(accounts: readonly Account[]): [first: readonly Account[], rest: readonly Account[]] {
  const first = Math.min(MAX_FIRST, Math.ceil(accounts.length / 10));
  return [accounts.slice(0, first), accounts.slice(first)];
}

/** Each generator has an edge and a source address of its own: one address has 28,000 ports. */
async function connectMost(
  accounts: readonly Account[],
  { system, urls }: IdleLoad,
  { generators, context }: { readonly generators: Generators; readonly context: Context },
): Promise<Arrival> {
  const { settings } = context;
  const perProcess = Math.ceil(accounts.length / urls.length);
  const connected = await generators.each('connect', (index) => {
    const place = { url: at(urls, index), localAddress: `127.0.0.${String(2 + index)}` };
    const mine = accounts.slice(index * perProcess, (index + 1) * perProcess);
    const specs = mine.map((account) => ({ ...specOf(account), ...place }));
    const atMostMs = settings.idleSeconds * 1_000;
    return { ...connection(specs, settings, system), atATime: AT_A_TIME, atMostMs };
  });
  return arrivalOf(connected);
}

function bytesOf(usage: readonly Usage[], edge: string): number {
  return sum(usage.filter(({ name }) => name.startsWith(edge)).map(({ rssBytes }) => rssBytes));
}

type Cpu = Pick<IdleFound, 'edgeCpuUs' | 'fleetCpuUs'>;

async function watch(processes: IdleLoad['processes'], edge: string): Promise<Cpu> {
  const before = await usageOf(processes());
  await delay(WATCH_MS);
  const cpu = cpuBetween(before, await usageOf(processes()));
  return {
    edgeCpuUs: sum(cpu.filter(({ name }) => name.startsWith(edge)).map(({ cpuUs }) => cpuUs)),
    fleetCpuUs: sum(cpu.map(({ cpuUs }) => cpuUs)),
  };
}

/** Fewer sockets drown in what the collector happens to have left over at either look. */
export const ENOUGH_TO_WEIGH = 5_000;

export function idleFound(found: IdleFound): Pick<Outcome, 'figures' | 'rows' | 'data'> {
  const socketSeconds = found.sockets * found.watchedSeconds;
  return {
    figures: [
      { what: 'sockets', value: found.sockets, unit: '', goal: { atLeast: 100_000, aim: 200_000, better: 'higher' } },
      ...memoryFigures(found),
      {
        what: 'CPU of the edges for a socket and second',
        value: found.edgeCpuUs / socketSeconds,
        unit: 'µs',
        goal: { atLeast: 2, aim: 0.8, better: 'lower' },
      },
      {
        what: 'CPU of all processes for a socket and second',
        value: found.fleetCpuUs / socketSeconds,
        unit: 'µs',
        better: 'lower',
      },
      { what: 'connected and ready', value: found.loginsPerSecond, unit: '/s', better: 'higher' },
    ],
    rows: [],
    data: found,
  };
}

function memoryFigures({ added, bytes, usage }: IdleFound): Figure[] {
  const all = sum(usage.map(({ rssBytes }) => rssBytes)) / 2 ** 20;
  const total: Figure = { what: 'memory of all processes', value: all, unit: 'MiB', better: 'lower' };
  if (added < ENOUGH_TO_WEIGH) return [total];
  const goal = { atLeast: 6, aim: 3, better: 'lower' } as const;
  return [{ what: 'memory of the edges for a socket', value: bytes / added / 1_024, unit: 'KiB', goal }, total];
}

export function idleSetup({ sockets, edges, watchedSeconds }: IdleFound, settings: Context['settings']): string {
  return `${String(sockets)} authenticated sockets (${String(settings.sockets)} wanted, ${String(settings.idleSeconds)} s for most of them to connect) on ${String(edges)} processes, a heartbeat each every 20 s; memory is what those processes have grown by, CPU the median of ${String(settings.repeats)} times ${String(watchedSeconds)} s.`;
}
