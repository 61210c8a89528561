import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { REFUSED, UNANSWERED } from '../generator/ledger.js';
import { measure, START_DELAY_US, type Measurement } from '../measure.js';
import type { Figure, Goal } from '../outcome.js';
import { startPrivate } from './private.js';
import type { PrivateLoad } from './measure-private.js';
import { type Context, replicasOf, type Scenario } from './scenario.js';

const REPLICAS = 2;
const RATE = 200;
const WARMUP_SECONDS = 3;
/** Into the measured time. */
const KILLED_AFTER_SECONDS = 2;
const SERVICES = ['router-0', 'message-store-0', 'session-0'];
const SERVICE = { seconds: 12, goal: { atLeast: 3, aim: 1, better: 'lower' } } as const;
/** The others need some seconds to elect another. */
const PRIMARY = { seconds: 25, goal: { atLeast: 15, aim: 8, better: 'lower' } } as const;

interface Killed {
  readonly name: string;
  readonly goal: Goal;
  readonly measurement: Measurement;
  readonly trouble: Trouble;
}

/** For how long sends are refused, or wait, when a process on a message's path is killed. Nothing is sent again. */
export const runKill: Scenario = async (context: Context) => {
  await using fleet = await BenchFleet.start({ replicas: replicasOf(REPLICAS), forKills: true });
  using generators = new Generators(1);
  const load = await startPrivate(fleet, generators, context);
  const all: Killed[] = [];
  for (const name of SERVICES) {
    all.push(await killed(load, { name, ...SERVICE, kill: () => fleet.stack.kill(name) }, context));
    await fleet.stack.waitReady(name);
  }
  const primary = await fleet.mongoPrimary();
  all.push(await killed(load, { name: 'mongod primary', ...PRIMARY, kill: () => fleet.stack.kill(primary) }, context));
  return {
    scenario: 'kill',
    setup: `${String(RATE)} private messages/s, none sent again; ${String(REPLICAS)} each of edge, router, message-store and session, three mongod. SIGKILL for one process after the other, each started again at once as Kubernetes does. The figure is the longer of: until the last send was due that was refused or never answered; the longest wait for an ack. (Clients of a killed edge connect elsewhere: see \`npm run faults\`.)`,
    figures: all.flatMap(figuresOf),
    rows: all.map(({ name, measurement }) => ({ name: `${name} killed`, measurement })),
    data: all.map(({ name, trouble }) => ({ name, trouble })),
  };
};

interface Kill {
  readonly name: string;
  /** How long is looked at. */
  readonly seconds: number;
  readonly goal: Goal;
  readonly kill: () => Promise<void>;
}

async function killed(load: PrivateLoad, { name, seconds, goal, kill }: Kill, { say }: Context): Promise<Killed> {
  const running = measure({ ...load, rate: RATE, warmupSeconds: WARMUP_SECONDS, seconds, perMessage: true });
  const atSeconds = WARMUP_SECONDS + KILLED_AFTER_SECONDS;
  await delay(atSeconds * 1_000 + START_DELAY_US / 1_000);
  await kill();
  const measurement = await running;
  const trouble = troubleIn(measurement.answers, { rate: RATE, atSeconds });
  const { refused, unanswered, refusedSeconds, longestWaitSeconds } = trouble;
  say(
    `kill: ${name}: ${String(refused)} refused, the last one after ${refusedSeconds.toFixed(1)} s; ${String(unanswered)} never answered; longest wait ${longestWaitSeconds.toFixed(1)} s (others ${measurement.othersCores.toFixed(1)} cores)`,
  );
  return { name, goal, measurement, trouble };
}

export interface Trouble {
  readonly refused: number;
  readonly unanswered: number;
  /** From the kill until the last send was due that was refused or never answered. */
  readonly refusedSeconds: number;
  /** The longest that a send waited for its ack which had none at the kill. */
  readonly longestWaitSeconds: number;
}

/** @param answers of each message, in the order in which they were due; see `Measurement` */
export function troubleIn(
  answers: readonly number[],
  { rate, atSeconds }: { readonly rate: number; readonly atSeconds: number },
): Trouble {
  const lastRefused = answers.findLastIndex((answer) => answer < 0);
  const waits = answers.map((answer) => answer / 1e6).filter((wait, index) => index / rate + wait > atSeconds);
  return {
    refused: answers.filter((answer) => answer === REFUSED).length,
    unanswered: answers.filter((answer) => answer === UNANSWERED).length,
    refusedSeconds: lastRefused < 0 ? 0 : Math.max(0, lastRefused / rate - atSeconds),
    longestWaitSeconds: Math.max(0, ...waits),
  };
}

function figuresOf({ name, goal, trouble }: Killed): Figure[] {
  const { refused, unanswered, refusedSeconds, longestWaitSeconds } = trouble;
  const value = Math.max(refusedSeconds, longestWaitSeconds);
  return [
    { what: `sends are refused or wait after the kill of ${name}, for`, value, unit: 's', goal },
    { what: `of that refused (${name})`, value: refusedSeconds, unit: 's' },
    { what: `sends refused (${name})`, value: refused, unit: '' },
    { what: `sends never answered (${name})`, value: unanswered, unit: '' },
  ];
}
