import { readFile } from 'node:fs/promises';
import {
  type Assumptions,
  ASSUMPTIONS,
  type Costs,
  type Load,
  type Plan,
  planFor,
  serversInFlight,
  times,
} from './capacity-plan.js';
import { cpuEach, type Measurement } from './measure.js';
import { ENOUGH_TO_WEIGH, type IdleFound } from './scenarios/measure-idle.js';
import type { Results } from './results.js';

/** Where too few sockets were there to be weighed, what is asked for stands in. */
const GOAL_SOCKET_BYTES = 6 * 1_024;
const ONLINE = 40_000_000;
/** 128 bytes of text, in an envelope, in frames. */
const BYTES_A_MESSAGE = 450;

/** The two readings at the head of the design. */
export const LOADS: readonly Load[] = [
  {
    name: 'design load: 64 billion messages a day as sends',
    sendsPerSecond: 741_000,
    deliveriesPerSecond: 1_600_000,
    sockets: ONLINE,
    bytesAMessage: BYTES_A_MESSAGE,
  },
  {
    name: 'as counted in 2014: sends and deliveries together',
    sendsPerSecond: 231_000,
    deliveriesPerSecond: 509_000,
    sockets: ONLINE,
    bytesAMessage: BYTES_A_MESSAGE,
  },
];

/** @throws Error which says what has to be measured first */
export function costsIn(results: Results): Costs {
  const message = measured(results, 'private');
  const group = measured(results, 'groups');
  const idle = results.outcomes.find(({ scenario }) => scenario === 'idle')?.data as IdleFound | undefined;
  if (idle === undefined) throw new Error('idle is not in these results: npm run bench -- private groups idle');
  const perMessageUs = cpuEach(message, message.acked);
  const recipients = group.delivered / Math.max(1, group.acked);
  const further = (cpuEach(group, group.acked) - perMessageUs) / Math.max(1, recipients - 1);
  return {
    perMessage: costOfEach(message),
    perDeliveryUs: Math.max(0, further),
    perSocketBytes: idle.added < ENOUGH_TO_WEIGH ? GOAL_SOCKET_BYTES : idle.bytes / idle.added,
    perSocketSecondUs: idle.edgeCpuUs / (idle.sockets * idle.watchedSeconds),
  };
}

function measured(results: Results, scenario: string): Measurement {
  const rows = results.outcomes.find((outcome) => outcome.scenario === scenario)?.rows ?? [];
  const best = rows.find(({ name }) => name.startsWith('best')) ?? rows.at(-1);
  if (best === undefined) throw new Error(`${scenario} is not in these results: npm run bench -- private groups idle`);
  return best.measurement;
}

/** Replicas of one service together; servers too. */
function costOfEach({ processes, acked }: Measurement): Costs['perMessage'] {
  const byName = new Map<string, { us: number; bytes: number; count: number }>();
  for (const { name, cpuUs, rssBytes } of processes) {
    const service = name.replace(/-\d+$/, '');
    const { us, bytes, count: known } = byName.get(service) ?? { us: 0, bytes: 0, count: 0 };
    byName.set(service, { us: us + cpuUs / Math.max(1, acked), bytes: bytes + rssBytes, count: known + 1 });
  }
  return [...byName]
    .map(([name, { us, bytes, count: known }]) => ({ name, us, bytes: bytes / known }))
    .sort((a, b) => b.us - a.us);
}

export async function printCapacity(file: string, say: (text: string) => void): Promise<void> {
  const results = JSON.parse(await readFile(file, 'utf8')) as Results;
  const costs = costsIn(results);
  say(`From ${file}, measured on ${results.machine}, ${results.at}.\n`);
  say(costsTable(costs));
  say(`\n${assumedList(ASSUMPTIONS)}`);
  for (const load of LOADS) say(planTable(planFor(load, costs), ASSUMPTIONS));
  say(`\n${inFlightSentence(costs)}`);
  for (const load of LOADS) say(planTable(planFor(times(load, 10), costs), ASSUMPTIONS));
}

function assumedList(assumed: Assumptions): string {
  return `Assumed: peaks x ${String(assumed.peak)}; cores ${String(assumed.busy * 100)} % busy at the peak; nodes of ${String(assumed.coresANode)} cores; ${count(assumed.socketsAnEdge)} sockets an edge process; two secondaries cost ${String(assumed.secondaries)} times what the primary does; ${count(assumed.messagesAShard)} messages/s a shard; ${count(assumed.storedBytesAMessage)} bytes stored for a message, kept ${String(assumed.keptSeconds / 86_400)} days; ${String(assumed.wakesADelivery * 100)} % of the deliveries find nobody connected and wake push; ${count(assumed.publishesAStream)} publishes/s a stream, three servers each; ${count(assumed.redisBytesASocket)} bytes and a write every ${String(1 / assumed.redisWritesASocketSecond)} s in Redis for a socket, ${count(assumed.redisWritesAMaster)} writes/s a master.`;
}

function inFlightSentence(costs: Costs): string {
  const inFlight = serversInFlight({ online: ONLINE, requestMs: 20, openAtATime: 100_000 });
  const us = costs.perMessage.reduce((sum, cost) => sum + cost.us, 0);
  const busy = LOADS.map(({ sendsPerSecond }) => count((sendsPerSecond * us) / 1e6)).join(' or ');
  const needed = LOADS.map((load) => count(planFor(load, costs).nodes)).join(' or ');
  return `"40 M x 20 ms / 100,000 = ${String(inFlight)} servers" counts what is in flight at a time, not work: the sends alone keep ${busy} cores busy on average, and with deliveries, heartbeats and peaks it is ${needed} nodes of ${String(ASSUMPTIONS.coresANode)} cores.`;
}

function costsTable({ perMessage, perDeliveryUs, perSocketBytes, perSocketSecondUs }: Costs): string {
  const rows = [
    ...perMessage.map(({ name, us }) => [`${name}, for a private message`, `${us.toFixed(1)} µs`]),
    ['each further delivery, all processes', `${perDeliveryUs.toFixed(1)} µs`],
    ['memory of the edge for a socket', `${(perSocketBytes / 1_024).toFixed(1)} KiB`],
    ['CPU of the edge for a socket and second', `${perSocketSecondUs.toFixed(2)} µs`],
  ];
  return table(['measured', 'cost'], rows);
}

function planTable(plan: Plan, assumed: Assumptions): string {
  const { load } = plan;
  const rows = [
    ...plan.parts.map(({ name, cores, processes, memoryBytes }) => [
      name,
      count(cores),
      count(processes),
      gib(memoryBytes),
    ]),
    ['sockets', '', '', gib(plan.edgeMemoryBytes)],
    [
      '**all**',
      `**${count(plan.cores)}**`,
      `**${count(plan.nodes)} nodes of ${String(assumed.coresANode)} cores**`,
      `**${gib(plan.memoryBytes)}**`,
    ],
    ['MongoDB shards, three members each', '', count(plan.mongoShards), ''],
    ['NATS servers', '', count(plan.natsServers), ''],
    ['Redis masters, with a replica each', '', count(plan.redisMasters), ''],
    ['stored at a time, one copy', '', '', `${count(plan.storedBytes / 2 ** 40)} TiB`],
    ['network at the peak', '', '', `${count(plan.networkBits / 1e9)} Gbit/s`],
  ];
  const head = `${load.name}: ${count(load.sendsPerSecond)} sends/s, ${count(load.deliveriesPerSecond)} deliveries/s, peaks x ${String(assumed.peak)}`;
  return `\n${head}\n\n${table(['', 'cores', 'processes', 'memory'], rows)}`;
}

function gib(bytes: number): string {
  return `${count(bytes / 2 ** 30)} GiB`;
}

function count(value: number): string {
  return Math.ceil(value).toLocaleString('en-US');
}

/** As Markdown, for docs/capacity.md. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
