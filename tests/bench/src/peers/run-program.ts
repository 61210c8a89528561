import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PeerMissing } from './peer.js';

const run = promisify(execFile);
const MAX_OUTPUT = 64 * 2 ** 20;

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/** What a program that ends by itself has printed. @throws PeerMissing where there is no such program, or it fails */
export async function output(
  command: string,
  args: readonly string[],
  { cwd, env, timeoutMs = 300_000 }: ProgramOptions = {},
): Promise<string> {
  try {
    const { stdout } = await run(command, args, {
      timeout: timeoutMs,
      maxBuffer: MAX_OUTPUT,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    });
    return stdout;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ('code' in error && error.code === 'ENOENT') throw new PeerMissing(`there is no ${command} on this machine`);
    throw new PeerMissing(`${command} ${args[0] ?? ''} failed: ${lastWords(error)}`);
  }
}

function lastWords(error: Error): string {
  const stderr = 'stderr' in error ? String(error.stderr).trim() : '';
  const lines = (stderr === '' ? error.message : stderr).split('\n');
  return lines.at(-1)?.trim() ?? error.message;
}
