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
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    process.exitCode = exitCodeOf(error);
    process.stderr.write(`${explain(error, program.opts<GlobalOptions>().json ?? false)}\n`);
    if (process.exitCode === EXIT.broken && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  }
}

await main();
