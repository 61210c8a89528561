import { CommanderError } from 'commander';
import { EXIT, exitCodeOf } from './exit.js';
import { explain } from './explain.js';
import { buildProgram } from './program.js';
import type { GlobalOptions } from './session.js';

async function main(): Promise<void> {
  // `godwit listen | head -1`: who reads has enough, which is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.kill(process.pid, 'SIGTERM');
  });
  const program = buildProgram();
  try {
    await program.parseAsync();
  } catch (error) {
    const json = program.opts<GlobalOptions>().json ?? false;
    process.exitCode = exitCodeOf(error);
    // Help was asked for, or commander has told what is wrong.
    if (error instanceof CommanderError && (!json || process.exitCode === EXIT.done)) return;
    process.stderr.write(`${explain(error, json)}\n`);
    if (process.exitCode === EXIT.broken && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  }
}

await main();
