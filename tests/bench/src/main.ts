import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { BenchFleet } from './bench-fleet.js';
import { runBurst, runIdle, runPrivate, runStartup, type Outcome, type Settings } from './scenarios.js';

const SCENARIOS = { startup: runStartup, private: runPrivate, burst: runBurst, idle: runIdle } as const;
type Scenario = keyof typeof SCENARIOS;

interface Options {
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly sockets: number;
  readonly payload: number;
  readonly out: string;
}

async function bench(names: string[], options: Options): Promise<void> {
  const chosen = (names.length === 0 ? Object.keys(SCENARIOS) : names) as Scenario[];
  const unknown = chosen.filter((name) => !Object.hasOwn(SCENARIOS, name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`no scenario ${unknown.join(', ')}: there are ${Object.keys(SCENARIOS).join(', ')}`);
  }
  const settings: Settings = {
    rate: options.rate,
    seconds: options.seconds,
    warmupSeconds: options.warmup,
    sockets: options.sockets,
    payloadBytes: options.payload,
  };
  const machine = `${String(cpus().length)} x ${cpus()[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}`;
  console.log(`${machine}; everything on this machine, generator included.`);
  console.log(`Limits lifted for the bench: ${Object.keys(LIFTED_EDGE_LIMITS).join(', ')}.\n`);
  const outcomes: Outcome[] = [];
  const fleet = await BenchFleet.start();
  try {
    for (const name of chosen) {
      const outcome = await SCENARIOS[name](fleet, settings);
      outcomes.push(outcome);
      print(outcome);
    }
  } finally {
    await fleet[Symbol.asyncDispose]();
  }
  await mkdir(dirname(options.out), { recursive: true });
  await writeFile(
    options.out,
    JSON.stringify({ machine, at: new Date().toISOString(), settings, outcomes }, undefined, 2),
  );
  console.log(`All figures: ${options.out}`);
}

function print({ scenario, lines }: Outcome): void {
  const width = Math.max(...lines.map(({ what }) => what.length));
  console.log(scenario);
  for (const { what, value, goal } of lines) {
    console.log(`  ${what.padEnd(width)}  ${value.padStart(22)}${goal === '' ? '' : `   (goal ${goal})`}`);
  }
  console.log();
}

const number = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0');
  return value;
};

await new Command('npm run bench --')
  .description('Measures a fleet of its own on this machine, servers and generator included.')
  .argument('[scenarios...]', Object.keys(SCENARIOS).join(', '))
  .option('--rate <n>', 'messages a second for `private`', number, 200)
  .option('--seconds <n>', 'measured time', number, 20)
  .option('--warmup <n>', 'seconds before that, not counted', number, 5)
  .option('--sockets <n>', 'for `idle`', number, 10_000)
  .option('--payload <n>', 'bytes of text in a message', number, 128)
  .option('--out <file>', 'JSON with all figures', '.godwit/bench.json')
  .action(bench)
  .parseAsync();
