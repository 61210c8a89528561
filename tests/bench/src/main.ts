import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { printCapacity } from './capacity.js';
import type { Outcome, PeerOutcome, Settings } from './outcome.js';
import { htmlReport } from './report/html-report.js';
import { textReport } from './report/text-report.js';
import { runBurst } from './scenarios/burst.js';
import { runCrowd } from './scenarios/crowd.js';
import { runGroups } from './scenarios/groups.js';
import { runIdle } from './scenarios/idle.js';
import { runCrowdOnCentrifugo, runIdleOnCentrifugo } from './scenarios/on-centrifugo.js';
import { PeerMissing } from './peers/peer.js';
import { runKill } from './scenarios/kill.js';
import { runPresence } from './scenarios/presence.js';
import { runPrivateOnEjabberd } from './scenarios/private-on-ejabberd.js';
import { runPrivate } from './scenarios/private.js';
import { runStartup } from './scenarios/startup.js';
import { runStorm } from './scenarios/storm.js';
import type { Context, PeerScenario, Scenario } from './scenarios/scenario.js';
import type { Results } from './results.js';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  startup: runStartup,
  private: runPrivate,
  burst: runBurst,
  groups: runGroups,
  crowd: runCrowd,
  presence: runPresence,
  storm: runStorm,
  kill: runKill,
  idle: runIdle,
};

/** Whom `--peers` sets beside Godwit, by scenario. */
const PEERS: Readonly<Record<string, Readonly<Record<string, PeerScenario>>>> = {
  private: { ejabberd: runPrivateOnEjabberd },
  crowd: { Centrifugo: runCrowdOnCentrifugo },
  idle: { Centrifugo: runIdleOnCentrifugo },
};

interface Options {
  readonly rate?: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly repeats: number;
  readonly sockets: number;
  readonly idleSeconds: number;
  readonly peers?: boolean;
  readonly payload: number;
  readonly replicas: number;
  readonly scale: number;
  readonly profile?: boolean;
  readonly out: string;
}

async function bench(names: string[], options: Options): Promise<void> {
  const chosen = names.length === 0 ? Object.keys(SCENARIOS) : names;
  const unknown = chosen.filter((name) => !Object.hasOwn(SCENARIOS, name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`no scenario ${unknown.join(', ')}: there are ${Object.keys(SCENARIOS).join(', ')}`);
  }
  const settings: Settings = {
    rate: options.rate,
    seconds: options.seconds,
    warmupSeconds: options.warmup,
    repeats: options.repeats,
    sockets: options.sockets,
    idleSeconds: options.idleSeconds,
    payloadBytes: options.payload,
    replicas: options.replicas,
    scale: options.scale,
    profiles: options.profile === true ? join(options.out, 'profiles') : undefined,
  };
  const machine = `${String(cpus().length)} x ${cpus()[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}`;
  console.log(`${machine}; everything on this machine, generator included.`);
  console.log(
    `Raised for the bench: ${Object.entries(LIFTED_EDGE_LIMITS)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}\n`,
  );
  const outcomes: Outcome[] = [];
  for (const name of chosen) {
    const started = performance.now();
    const own = await SCENARIOS[name]?.({ settings, say });
    if (own === undefined) continue;
    const peers = options.peers === true ? await peersOf(name, { settings, say }) : [];
    const tookSeconds = Math.round((performance.now() - started) / 1_000);
    const outcome = { ...own, tookSeconds, ...(peers.length === 0 ? {} : { peers }) };
    outcomes.push(outcome);
    console.log(`\n${textReport(outcome)}\n${name} took ${String(tookSeconds)} s.`);
    await write(options.out, { machine, at: new Date().toISOString(), settings, raised: LIFTED_EDGE_LIMITS, outcomes });
  }
}

async function peersOf(scenario: string, context: Context): Promise<PeerOutcome[]> {
  const outcomes: PeerOutcome[] = [];
  for (const [peer, run] of Object.entries(PEERS[scenario] ?? {})) {
    say(`${scenario}: the same on ${peer}`);
    try {
      outcomes.push(await run(context));
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      say(`${peer} was not driven: ${error.message}.`);
      outcomes.push({ peer, missing: error.message });
    }
  }
  return outcomes;
}

function say(text: string): void {
  console.log(text);
}

async function write(folder: string, results: Results): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'results.json'), JSON.stringify(results, undefined, 2));
  await writeFile(join(folder, 'index.html'), htmlReport(results));
  console.log(`Written: ${join(folder, 'index.html')} and results.json beside it.`);
}

const number = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0');
  return value;
};

const program = new Command('npm run bench --');
program
  .command('capacity')
  .description('What the loads of the design need, by the figures of an earlier run.')
  .option('--from <file>', 'results.json of that run', '.godwit/bench/results.json')
  .action(({ from }: { from: string }) => printCapacity(from, say));
await program
  .description('Measures fleets of its own on this machine, servers and generators included.')
  .argument('[scenarios...]', Object.keys(SCENARIOS).join(', '))
  .option('--rate <n>', '`private` at this many messages a second only, without searching the best rate', number)
  .option('--seconds <n>', 'measured time of each measurement', number, 6)
  .option('--warmup <n>', 'seconds before it, not counted', number, 2)
  .option('--repeats <n>', 'measurements of which the median is shown (of two, the worse)', number, 3)
  .option('--sockets <n>', 'for `idle`', number, 200_000)
  .option('--idle-seconds <n>', 'for `idle`: time for them to connect; those that are there then count', number, 120)
  .option(
    '--peers',
    'also drive ejabberd (`private`) and Centrifugo (`crowd`, `idle`) on this machine, in the same way',
  )
  .option('--payload <n>', 'bytes of text in a message', number, 128)
  .option('--replicas <n>', 'how many each of edge, router, message-store and session', number, 1)
  .option(
    '--scale <n>',
    'part of the clients of `groups`, `crowd`, `presence` and `storm`: 0.1 for a quick look',
    number,
    1,
  )
  .option('--profile', 'write a CPU profile of each service for each measurement (and slow it down by that)')
  .option('--out <folder>', 'where JSON and HTML go', '.godwit/bench')
  .action(bench)
  .parseAsync();
