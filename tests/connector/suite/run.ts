import { execFile } from 'node:child_process';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For its standard input. */
  readonly input?: string;
}

/** Runs a program in the project's folder to its end. */
export function run(command: string, args: readonly string[], { env, input = '' }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: PROJECT_ROOT, env: env ?? process.env, maxBuffer: 64 * 1024 * 1024, timeout: 60_000 };
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}
