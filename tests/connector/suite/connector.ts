import path from 'node:path';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess } from '@godwit/local-stack/process/managed-process';
import type { Watchdog } from '@godwit/local-stack/process/watchdog';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { plainEnvironment } from '@godwit/local-stack/servers/server';
import { runProgram, type Ran } from '@godwit/testkit/run-program';

export type Pipeline = 'facts-to-kafka' | 'facts-to-s3' | 'logs-to-kafka' | 'logs-to-s3';
export const PIPELINES: readonly Pipeline[] = ['facts-to-kafka', 'facts-to-s3', 'logs-to-kafka', 'logs-to-s3'];

type Env = Readonly<Record<string, string>>;

/** run.sh has built it. */
const BENTHOS = process.env['GODWIT_BENTHOS_BIN'] ?? 'benthos';
const FOLDER = path.join('analytics', 'connect');
const SHARED = ['-t', path.join(FOLDER, 'events.template.yaml'), '-r', path.join(FOLDER, 'rows.yaml')];
const HERE = { cwd: PROJECT_ROOT, timeoutMs: 60_000 };
const fileOf = (pipeline: Pipeline): string => path.join(FOLDER, `${pipeline}.yaml`);

/** What Benthos itself says about a configuration. */
export const lint = (pipeline: Pipeline, env: Env): Promise<Ran> =>
  runProgram(BENTHOS, [...SHARED, 'lint', fileOf(pipeline)], { ...HERE, env: { ...plainEnvironment(), ...env } });

/** Runs a pipeline over an input to its end. */
export const feed = async (pipeline: Pipeline, env: Env, input: string): Promise<Ran> => {
  const listen = `${LOOPBACK}:${await freePort()}`;
  const environment = { ...plainEnvironment(), GODWIT_CONNECTOR_LISTEN: listen, ...env };
  return runProgram(BENTHOS, [...SHARED, '-c', fileOf(pipeline)], { ...HERE, env: environment, input });
};

export interface ConnectorOptions {
  readonly env: Env;
  readonly dir: string;
  readonly watchdog: Watchdog;
}

/** A pipeline as a process, as docs/analytics.md starts it. */
export async function connector(pipeline: Pipeline, { env, dir, watchdog }: ConnectorOptions): Promise<ManagedProcess> {
  const spec = {
    name: pipeline,
    command: BENTHOS,
    args: [...SHARED, '-c', fileOf(pipeline)],
    env: { ...plainEnvironment(), GODWIT_CONNECTOR_LISTEN: `${LOOPBACK}:${await freePort()}`, ...env },
    cwd: PROJECT_ROOT,
    logFile: path.join(dir, `${pipeline}.log`),
  };
  const managed = new ManagedProcess(spec, watchdog);
  await managed.start();
  return managed;
}
