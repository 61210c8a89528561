import { randomInt } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { chosenKinds, FAULT_KINDS } from './plan/fault-kinds.js';
import { summaryOf } from './report/summary.js';
import { tableOf } from './report/table.js';
import { writeReport } from './report/write-report.js';
import { runFaults } from './run.js';
import { World } from './world/world.js';

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly users: number;
  readonly only: string[];
  readonly inTurn: boolean;
  readonly out: string;
}

async function faults(options: Options): Promise<void> {
  const { minutes, seed } = options;
  const dir = path.resolve(options.out, String(seed));
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const report = (line: string): void => {
    console.log(line);
  };
  report(`Seed ${String(seed)}, ${String(minutes)} min. Everything runs on this machine; logs and report in ${dir}.`);
  const stack = path.join(dir, 'stack');
  try {
    await run(options, { dir, stack, report });
  } finally {
    // The logs stay; gigabytes of databases say nothing more.
    await rm(path.join(stack, 'servers'), { recursive: true, force: true });
  }
}

interface Places {
  readonly dir: string;
  readonly stack: string;
  readonly report: (line: string) => void;
}

async function run(options: Options, { dir, stack, report }: Places): Promise<void> {
  const { minutes, seed, rate, users, inTurn } = options;
  const kinds = chosenKinds(options.only);
  await using world = await World.start({ dir: stack, report: () => undefined });
  const result = await runFaults(world, { seed, minutes, rate, users, kinds, inTurn, report });
  const summary = summaryOf(result, machine());
  await writeReport(dir, summary, result);
  console.log(`\n${tableOf(summary)}\n\n  ${path.join(dir, 'report.html')}`);
  if (summary.violations.length > 0) process.exitCode = 1;
}

function machine(): string {
  return `${String(cpus().length)} x ${cpus()[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}`;
}

const number = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0');
  return value;
};

const words = (text: string): string[] => {
  const given = text.split(',').map((word) => word.trim());
  try {
    chosenKinds(given);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
  return given;
};

await new Command('npm run faults --')
  .description('Runs a seeded workload against a fleet of its own while things break, and judges what was seen.')
  .option('--minutes <n>', 'how long things go on', number, 2)
  .option('--seed <n>', 'chooses everything that is left to chance', number, randomInt(1, 2 ** 31))
  .option('--rate <n>', 'sends a second', number, 25)
  .option('--users <n>', 'each has two or three devices', number, 10)
  .option('--only <words>', 'only faults whose names start with one of these, with commas between', words, [])
  .option('--in-turn', 'each of the faults once, as many as there is time for, instead of by weight', false)
  .option('--out <folder>', 'where reports go, in a folder of the seed', '.godwit/faults')
  .addHelpText('after', `\nFaults:\n${FAULT_KINDS.map(({ name, says }) => `  ${name.padEnd(26)} ${says}`).join('\n')}`)
  .action(faults)
  .parseAsync();
