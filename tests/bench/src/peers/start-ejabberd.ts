import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { plainEnvironment } from '@godwit/local-stack/servers/server';
import type { Account } from '../generator/client.js';
import { XMPP_HOST } from '../generator/ejabberd-client.js';
import type { Say } from '../outcome.js';
import { type DebianFiles, debianFiles } from './debian-packages.js';
import { type Peer, PeerMissing } from './peer.js';
import { treeOf } from './process-tree.js';
import { libraryPath, type Postgres, startPostgres } from './start-postgres.js';

const DATABASE = 'ejabberd';
const READY_MS = 60_000;

export interface Ejabberd extends Peer {
  /** Users with passwords, in its database. */
  readonly addUsers: (count: number) => Promise<Account[]>;
  /** Rows in its archive: one for each side of a message. */
  readonly archived: () => Promise<number>;
}

/** Debian's ejabberd with users and archive (mod_mam) on a PostgreSQL of its own. @throws PeerMissing */
export async function startEjabberd(say: Say): Promise<Ejabberd> {
  if (process.platform !== 'linux') throw new PeerMissing('ejabberd is driven from Debian packages, on Linux only');
  const files = await debianFiles(say);
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-bench-ejabberd-'));
  const watchdog = Watchdog.start();
  watchdog.removeAtEnd(dir);
  try {
    const postgres = await startPostgres(files, dir, watchdog);
    await postgres.sql('postgres', `CREATE DATABASE ${DATABASE}`);
    await postgres.runFile(DATABASE, path.join(files.root, 'usr/share/ejabberd/sql/pg.sql'));
    const port = await freePort();
    await writeFile(path.join(dir, 'ejabberd.yml'), configuration(port, postgres.port));
    const ejabberd = await startErlang(files, { dir, port, watchdog });
    return {
      title: `ejabberd ${await versionOf(files)} with its archive on PostgreSQL`,
      system: 'ejabberd',
      urls: [`ws://${LOOPBACK}:${String(port)}`],
      processes: () => treeOf([postgres.process, ejabberd].map(({ name, pid }) => ({ name, pid: pid ?? 0 }))),
      addUsers: (count) => addUsers(postgres, count),
      archived: async () => Number(await postgres.sql(DATABASE, 'SELECT count(*) FROM archive')),
      [Symbol.asyncDispose]: async () => {
        await ejabberd.stop();
        await postgres.process.stop();
        await watchdog.close();
      },
    };
  } catch (error) {
    await watchdog.close();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** As it comes but for what is measured: WebSockets without TLS, no rate limits, and nothing that a chat does not need. */
function configuration(port: number, postgresPort: number): string {
  return `hosts: [${XMPP_HOST}]
loglevel: warning
listen:
  - port: ${String(port)}
    ip: "${LOOPBACK}"
    module: ejabberd_http
    request_handlers:
      /ws: ejabberd_http_ws
auth_method: sql
sql_type: pgsql
sql_server: "${LOOPBACK}"
sql_port: ${String(postgresPort)}
sql_database: ${DATABASE}
sql_username: postgres
sql_password: ""
modules:
  mod_mam:
    db_type: sql
    default: always
  mod_stream_mgmt: {}
`;
}

async function startErlang(
  { root }: DebianFiles,
  { dir, port, watchdog }: { readonly dir: string; readonly port: number; readonly watchdog: Watchdog },
): Promise<ManagedProcess> {
  const rootDir = path.join(root, 'usr/lib/erlang');
  const erts = (await readdir(rootDir)).find((name) => name.startsWith('erts-')) ?? 'erts';
  const bin = path.join(rootDir, erts, 'bin');
  await mkdir(path.join(dir, 'mnesia'));
  const spec = {
    name: 'ejabberd',
    command: path.join(bin, 'erlexec'),
    args: [
      '-noinput',
      '+K',
      'true',
      '+P',
      '250000',
      '-mnesia',
      'dir',
      `"${path.join(dir, 'mnesia')}"`,
      '-s',
      'ejabberd',
    ],
    env: {
      ...plainEnvironment(),
      HOME: dir,
      ROOTDIR: rootDir,
      BINDIR: bin,
      EMU: 'beam',
      PROGNAME: 'erl',
      ERL_LIBS: libraryPath(root),
      LD_LIBRARY_PATH: libraryPath(root),
      EJABBERD_CONFIG_PATH: path.join(dir, 'ejabberd.yml'),
      EJABBERD_LOG_PATH: path.join(dir, 'ejabberd-own.log'),
    },
    cwd: dir,
    logFile: path.join(dir, 'ejabberd.log'),
  };
  const managed = new ManagedProcess(spec, watchdog);
  await managed.start();
  await waitUntilReady(managed, {
    timeoutMs: READY_MS,
    check: async () => {
      // A GET that is no WebSocket is refused in words, by the module that is to serve them.
      await fetch(`http://${LOOPBACK}:${String(port)}/ws`);
      return undefined;
    },
  });
  return managed;
}

async function versionOf({ root }: DebianFiles): Promise<string> {
  const names = await readdir(libraryPath(root));
  return /^ejabberd-(.+)$/.exec(names.filter((name) => name.startsWith('ejabberd-')).sort()[0] ?? '')?.[1] ?? '';
}

async function addUsers(postgres: Postgres, count: number): Promise<Account[]> {
  const accounts = Array.from({ length: count }, () => ({
    userId: `u${randomBytes(8).toString('hex')}`,
    deviceId: 'bench',
    token: randomBytes(8).toString('hex'),
  }));
  const rows = accounts.map(({ userId, token }) => `('${userId}', '${token}')`);
  await postgres.sql(DATABASE, `INSERT INTO users (username, password) VALUES ${rows.join(', ')}`);
  return accounts;
}
