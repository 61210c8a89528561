import { type BenchFleet, Generator } from './bench-fleet.js';
import type { BurstResult, PrivateResult } from './generator-protocol.js';
import type { LoadDevice } from './load-client.js';
import { usageOf, type Usage } from './process-usage.js';

export interface Settings {
  readonly rate: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly sockets: number;
  readonly payloadBytes: number;
}

/** One line of the table: what was measured, and what the goal is, where it has one. */
export interface Line {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
}

export interface Outcome {
  readonly scenario: string;
  readonly lines: readonly Line[];
  readonly data: unknown;
}

const PAIRS = 200;
const BURST = 5_000;
/** Sockets of one generator, under the 20,000 files that a process may have open. */
const SOCKETS_A_GENERATOR = 15_000;

export async function runStartup(fleet: BenchFleet): Promise<Outcome> {
  const usage = await usageOf(fleet.stack);
  const services = usage.filter(({ name }) => !/^(mongo|nats|redis)/.test(name));
  const largest = services.reduce((a, b) => (a.rssBytes > b.rssBytes ? a : b));
  return {
    scenario: 'startup',
    lines: [
      { what: 'start of servers and fleet', value: `${(fleet.startMs / 1_000).toFixed(1)} s`, goal: '<= 20 s' },
      { what: `largest idle service (${largest.name})`, value: mib(largest.rssBytes), goal: '< 120 MiB' },
    ],
    data: { startMs: fleet.startMs, usage },
  };
}

export async function runPrivate(fleet: BenchFleet, settings: Settings): Promise<Outcome> {
  const devices = await fleet.importUsers(PAIRS * 2);
  const pairs = Array.from({ length: PAIRS }, (_, i) => ({
    sender: deviceAt(devices, i * 2),
    recipient: deviceAt(devices, i * 2 + 1),
  }));
  const { rate, seconds, warmupSeconds, payloadBytes } = settings;
  const measured = await fleet.run<PrivateResult>({
    kind: 'private',
    edges: fleet.stack.edges,
    pairs,
    rate,
    seconds,
    warmupSeconds,
    payloadBytes,
  });
  const { ack, delivery, offered, acked, delivered } = measured.result;
  const cpu = measured.cpu.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / Math.max(1, acked);
  const goals = rate === 200 ? { p50: '<= 10 ms', p99: '<= 50 ms', delivered: '<= 80 ms' } : undefined;
  return {
    scenario: `private at ${String(rate)}/s`,
    lines: [
      {
        what: 'offered / acked / delivered',
        value: `${String(offered)} / ${String(acked)} / ${String(delivered)}`,
        goal: 'equal',
      },
      { what: 'ack p50', value: ms(ack.p50), goal: goals?.p50 ?? '' },
      { what: 'ack p99', value: ms(ack.p99), goal: goals?.p99 ?? '' },
      { what: 'ack p99.9', value: ms(ack.p999), goal: '' },
      { what: 'delivered p50', value: ms(delivery.p50), goal: '' },
      { what: 'delivered p99', value: ms(delivery.p99), goal: goals?.delivered ?? '' },
      { what: 'CPU of fleet and servers for a message', value: `${cpu.toFixed(0)} µs`, goal: '' },
    ],
    data: measured,
  };
}

export async function runBurst(fleet: BenchFleet, settings: Settings): Promise<Outcome> {
  const devices = await fleet.importUsers(2);
  const measured = await fleet.run<BurstResult>({
    kind: 'burst',
    edges: fleet.stack.edges,
    sender: deviceAt(devices, 0),
    recipient: deviceAt(devices, 1),
    messages: BURST,
    payloadBytes: settings.payloadBytes,
  });
  const { acked, delivered, ackedMs, deliveredMs } = measured.result;
  return {
    scenario: `burst of ${String(BURST)} in one conversation`,
    lines: [
      { what: 'acked / delivered', value: `${String(acked)} / ${String(delivered)}`, goal: 'all' },
      { what: 'last acked after', value: ms(ackedMs), goal: '<= 2,000 ms' },
      { what: 'last delivered after', value: ms(deliveredMs), goal: '' },
    ],
    data: measured,
  };
}

export async function runIdle(fleet: BenchFleet, settings: Settings): Promise<Outcome> {
  const devices = await fleet.importUsers(settings.sockets);
  const before = edgeBytes(await usageOf(fleet.stack));
  const generators: Generator[] = [];
  try {
    for (let i = 0; i < devices.length; i += SOCKETS_A_GENERATOR) {
      const generator = new Generator({
        kind: 'idle',
        edges: fleet.stack.edges,
        devices: devices.slice(i, i + SOCKETS_A_GENERATOR),
        localAddress: `127.0.0.${String(2 + generators.length)}`,
      });
      generators.push(generator);
      await generator.until('ready');
    }
    // The recheck comes 5 s after a sync, and its garbage after that.
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    const after = edgeBytes(await usageOf(fleet.stack));
    const each = (after - before) / devices.length;
    return {
      scenario: `idle, ${String(devices.length)} sockets`,
      lines: [
        { what: 'memory of the edges for a socket', value: `${(each / 1_024).toFixed(1)} KiB`, goal: '<= 6 KiB' },
      ],
      data: { before, after, sockets: devices.length },
    };
  } finally {
    for (const generator of generators) generator.kill();
  }
}

function edgeBytes(usage: readonly Usage[]): number {
  return usage.filter(({ name }) => name.startsWith('edge')).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

function deviceAt(devices: readonly LoadDevice[], index: number): LoadDevice {
  const device = devices[index];
  if (device === undefined) throw new Error('fewer users were imported than asked for');
  return device;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}
