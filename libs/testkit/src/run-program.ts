import { execFile } from 'node:child_process';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For its standard input. */
  readonly input?: string;
  /** It is ended after this long. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. One that was ended by a signal, or could not be started, has code 1. */
export function runProgram(command: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const { cwd, env = process.env, input = '', timeoutMs = 0 } = options;
  return new Promise((resolve) => {
    const how = { cwd, env, maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs };
    const child = execFile(command, [...args], how, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}
