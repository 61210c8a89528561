import { setTimeout as delay } from 'node:timers/promises';
import type { Counts } from './generator/ledger.js';
import { nowUs } from './generator/stamp.js';
import type { Generators } from './generator-process.js';
import { type Latency, latencyOfMs, mergedLatency } from './latency.js';
import { cpuBetween, machineUsage, type NamedPid, type Usage, usageOf } from './process-usage.js';

export interface Load {
  readonly generators: Generators;
  /** The system under test, its servers included. */
  readonly processes: () => readonly NamedPid[];
  /** Messages a second, offered whatever is answered. */
  readonly rate: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Which generators send; the others count only. All by default. */
  readonly sending?: readonly number[];
  /** Clients that send, in each sending generator. */
  readonly senders?: readonly number[];
  readonly messages?: number;
  /** How many are to get each message. */
  readonly recipients: number;
  /** Also tell when the last recipient of each message had it, and how each send was answered. */
  readonly perMessage?: boolean;
  /** Called when the measured time begins, and when it ends. */
  readonly toggleProfiles?: () => void;
}

export interface ProcessCost {
  readonly name: string;
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** One measurement. Rates are of the measured time; latencies are of all messages that were due in it. */
export interface Measurement {
  readonly rate: number;
  readonly seconds: number;
  readonly offered: number;
  readonly acked: number;
  readonly delivered: number;
  readonly expectedDeliveries: number;
  readonly ackedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly refusedForGood: number;
  readonly repeated: number;
  readonly ack: Latency;
  readonly delivery: Latency;
  /** When the last recipient had a message, of messages that all have. */
  readonly lastReached: Latency | undefined;
  readonly reachedAll: number;
  /** With `perMessage`: of each message, µs until its ack; negative: refused, or never answered. */
  readonly answers: readonly number[];
  readonly processes: readonly ProcessCost[];
  readonly generatorCpuUs: number;
  /** Cores that were busy with something else: figures from a machine that is not quiet are worse than they should be. */
  readonly othersCores: number;
}

let lastRun = 0;
/** From the call until the first message is due. */
export const START_DELAY_US = 300_000;
const SETTLE_STEPS = 100;
const SETTLE_STEP_MS = 100;
const SETTLE_STILL = 10;

export async function measure(load: Load): Promise<Measurement> {
  lastRun = (lastRun % 9_999) + 1;
  const { generators, rate, warmupSeconds, seconds } = load;
  const sending = load.sending ?? generators.all.map((_, index) => index);
  const startUs = nowUs() + START_DELAY_US;
  const perMessage = load.perMessage === true ? Math.ceil(rate * (warmupSeconds + seconds)) + 1 : 0;
  const run = { run: lastRun, startUs, warmupSeconds, seconds, perMessage };
  const running = generators.each('run', (index) => {
    const share = sending.indexOf(index);
    return {
      run,
      rate: share < 0 ? 0 : rate,
      share: Math.max(0, share),
      shares: sending.length,
      ...(load.senders === undefined ? {} : { senders: load.senders }),
      ...(load.messages === undefined ? {} : { messages: load.messages }),
    };
  });
  const costs = await watch(load, startUs);
  await running;
  await settled(load);
  return summed(load, await generators.each('counts', () => null), costs);
}

interface Costs {
  readonly processes: readonly ProcessCost[];
  readonly generatorCpuUs: number;
  readonly othersCores: number;
}

async function watch(
  { processes, generators, warmupSeconds, seconds, toggleProfiles }: Load,
  startUs: number,
): Promise<Costs> {
  const own = generators.pids.map((pid) => ({ name: 'generator', pid }));
  const look = async () => ({
    fleet: await usageOf(processes()),
    generator: await usageOf(own),
    machine: await machineUsage(),
  });
  await until(startUs + warmupSeconds * 1e6);
  const before = await look();
  toggleProfiles?.();
  await until(startUs + (warmupSeconds + seconds) * 1e6);
  const after = await look();
  toggleProfiles?.();
  const cpu = cpuBetween(before.fleet, after.fleet);
  const generatorCpuUs = sum(cpuBetween(before.generator, after.generator).map(({ cpuUs }) => cpuUs));
  const busyUs = after.machine.busyUs - before.machine.busyUs;
  const othersUs = busyUs - generatorCpuUs - sum(cpu.map(({ cpuUs }) => cpuUs));
  return {
    processes: cpu.map(({ name, cpuUs }) => ({ name, cpuUs, rssBytes: rssOf(after.fleet, name) })),
    generatorCpuUs,
    othersCores: Math.max(0, othersUs / (seconds * 1e6)),
  };
}

function rssOf(usage: readonly Usage[], name: string): number {
  return usage.find((one) => one.name === name)?.rssBytes ?? 0;
}

async function until(us: number): Promise<void> {
  await delay(Math.max(0, (us - nowUs()) / 1_000));
}

/** Waits until everything has arrived, or nothing more does. */
async function settled({ generators, recipients }: Load): Promise<void> {
  if (recipients === 0) return;
  let last = -1;
  let still = 0;
  for (let step = 0; step < SETTLE_STEPS && still < SETTLE_STILL; step += 1) {
    const progress = await generators.each('progress', () => null);
    const delivered = sum(progress.map((one) => one.delivered));
    still = delivered === last ? still + 1 : 0;
    last = delivered;
    await delay(SETTLE_STEP_MS);
  }
}

/** Adds up what several generators have counted. */
export function summed({ rate, seconds, recipients }: Load, counts: readonly Counts[], costs: Costs): Measurement {
  const total = (of: (one: Counts) => number): number => sum(counts.map(of));
  const refused: Record<string, number> = {};
  for (const one of counts) {
    for (const [reason, count] of Object.entries(one.refused)) refused[reason] = (refused[reason] ?? 0) + count;
  }
  const last = lastReached(counts, recipients);
  const acked = total((one) => one.acked);
  return {
    rate,
    seconds,
    offered: total((one) => one.offered),
    acked,
    delivered: total((one) => one.delivered),
    expectedDeliveries: acked * recipients,
    ackedPerSecond: total((one) => one.ackedInTime) / seconds,
    deliveredPerSecond: total((one) => one.deliveredInTime) / seconds,
    refused,
    refusedForGood: total((one) => one.refusedForGood),
    repeated: total((one) => one.repeated),
    ack: mergedLatency(counts.map((one) => one.ack)),
    delivery: mergedLatency(counts.map((one) => one.delivery)),
    lastReached: last.length === 0 ? undefined : latencyOfMs(last),
    reachedAll: last.length,
    answers: answersIn(counts),
    ...costs,
  };
}

/** Of each message that all recipients have: when the last one got it, ms. */
export function lastReached(counts: readonly Pick<Counts, 'reached'>[], recipients: number): number[] {
  const messages = Math.max(0, ...counts.map(({ reached }) => reached.length));
  const found: number[] = [];
  for (let index = 0; index < messages; index += 1) {
    const each = counts.map(({ reached }) => reached[index] ?? [0, 0]);
    if (sum(each.map(([count]) => count)) === recipients && recipients > 0) {
      found.push(Math.max(...each.map(([, us]) => us)) / 1_000);
    }
  }
  return found;
}

/** Each message was sent by one of them; the others say 0 for it. */
function answersIn(counts: readonly Pick<Counts, 'answers'>[]): number[] {
  const [first = [], ...others] = counts.map(({ answers }) => answers);
  return first.map((answer, index) => answer + sum(others.map((answers) => answers[index] ?? 0)));
}

/** CPU of all processes of the system for one of `count`, µs. */
export function cpuEach({ processes }: Pick<Measurement, 'processes'>, count: number): number {
  return sum(processes.map(({ cpuUs }) => cpuUs)) / Math.max(1, count);
}

/** Of all processes of the system at the end of the measured time. */
export function memoryOf({ processes }: Pick<Measurement, 'processes'>): number {
  return sum(processes.map(({ rssBytes }) => rssBytes));
}

export function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** The measurement in the middle, by a figure of it. */
export function median<T>(values: readonly T[], of: (value: T) => number): T {
  const sorted = [...values].sort((a, b) => of(a) - of(b));
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}
