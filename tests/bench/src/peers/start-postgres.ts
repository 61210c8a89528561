import { chmod, cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import type { Watchdog } from '@godwit/local-stack/process/watchdog';
import { plainEnvironment } from '@godwit/local-stack/servers/server';
import type { DebianFiles } from './debian-packages.js';
import { output } from './run-program.js';

const READY_MS = 30_000;
const NOBODY = '65534';
/** Somewhat more than the defaults, which are those of a small server; what makes it durable stays as it comes. */
const SETTINGS = ['shared_buffers=512MB', 'max_wal_size=4GB', 'max_connections=100', 'jit=off'];

export interface Postgres {
  readonly port: number;
  readonly process: ManagedProcess;
  /** Runs SQL, and says what it answered. */
  readonly sql: (database: string, statements: string) => Promise<string>;
  readonly runFile: (database: string, file: string) => Promise<string>;
}

/** PostgreSQL with a data folder of its own: every commit is on disk before it is answered, as it comes. */
export async function startPostgres(unpacked: DebianFiles, dir: string, watchdog: Watchdog): Promise<Postgres> {
  const files = await reachable(unpacked, dir);
  const data = await initialized(files, dir);
  const port = await freePort();
  const settings = [`listen_addresses=${LOOPBACK}`, `port=${String(port)}`, 'unix_socket_directories=', ...SETTINGS];
  const [command, ...args] = unprivileged(path.join(files.postgresBin, 'postgres'), [
    ...['-D', data],
    ...settings.flatMap((setting) => ['-c', setting]),
  ]);
  const env = { ...plainEnvironment(), ...libraries(files) };
  const spec = { name: 'postgres', command, args, env, cwd: data, logFile: path.join(dir, 'postgres.log') };
  const managed = new ManagedProcess(spec, watchdog);
  await managed.start();
  const server = ['-h', LOOPBACK, '-p', String(port), '-U', 'postgres', '-qAt', '-v', 'ON_ERROR_STOP=1'];
  const psql = (database: string, what: readonly string[]): Promise<string> =>
    output(path.join(files.postgresBin, 'psql'), [...server, '-d', database, ...what], { env: libraries(files) });
  const sql = (database: string, statements: string): Promise<string> => psql(database, ['-c', statements]);
  await waitUntilReady(managed, {
    timeoutMs: READY_MS,
    check: async () => ((await sql('postgres', 'SELECT 1')).trim() === '1' ? undefined : 'it does not answer yet'),
  });
  return { port, process: managed, sql, runFile: (database, file) => psql(database, ['-f', file]) };
}

/** PostgreSQL refuses to run as root, and nobody else may look into root's cache: then it is copied beside its data. */
async function reachable(files: DebianFiles, dir: string): Promise<DebianFiles> {
  const { root, postgresBin, postgresIsUnpacked } = files;
  if (!isRoot() || !postgresIsUnpacked) return files;
  const copy = path.join(dir, 'postgres-files');
  for (const folder of ['usr/lib', 'usr/share/postgresql']) {
    await cp(path.join(root, folder), path.join(copy, folder), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !/\/(erlang|ejabberd)/.test(source.slice(root.length)),
    });
  }
  return { root: copy, postgresBin: path.join(copy, path.relative(root, postgresBin)), postgresIsUnpacked };
}

/** @returns the folder of its data */
async function initialized(files: DebianFiles, dir: string): Promise<string> {
  const data = path.join(dir, 'postgres');
  await mkdir(data);
  await chmod(dir, 0o711);
  if (isRoot()) await output('chown', [NOBODY, data]);
  const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const [command, ...args] = unprivileged(path.join(files.postgresBin, 'initdb'), options);
  await output(command, args, { cwd: data, env: libraries(files) });
  return data;
}

function libraries({ root, postgresIsUnpacked }: DebianFiles): Record<string, string> {
  return postgresIsUnpacked ? { LD_LIBRARY_PATH: libraryPath(root) } : {};
}

/** Of what was unpacked. */
export function libraryPath(root: string): string {
  return path.join(root, 'usr/lib', debianArchitecture());
}

export function debianArchitecture(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function unprivileged(command: string, args: readonly string[]): readonly [string, ...string[]] {
  if (!isRoot()) return [command, ...args];
  return ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', command, ...args];
}
