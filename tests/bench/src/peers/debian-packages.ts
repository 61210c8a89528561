import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Say } from '../outcome.js';
import { PeerMissing, peersFolder } from './peer.js';
import { output } from './run-program.js';

const WANTED = ['ejabberd', 'erlang-p1-pgsql'];
/** Always taken from the packages, so that one Erlang finds all of its libraries in one place. */
const WHOLE = /^(ejabberd|erlang-)/;
/** What only an installed system needs. */
const NOT_NEEDED = /^(libllvm|libz3|ssl-cert|logrotate|postgresql-common|init-system|adduser|ucf|debconf)/;
const SYSTEM_POSTGRES = '/usr/lib/postgresql';
const DEPENDS = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);

/** Where Debian's ejabberd and PostgreSQL lie. Nothing is installed: packages are unpacked in the cache. */
export interface DebianFiles {
  /** Stands for `/` of what was unpacked. */
  readonly root: string;
  /** Programs of PostgreSQL: those of the system where it has them. */
  readonly postgresBin: string;
  readonly postgresIsUnpacked: boolean;
}

export async function debianFiles(say: Say): Promise<DebianFiles> {
  const root = path.join(peersFolder(), `debian-${await release()}`);
  if (!existsSync(root)) await unpackInto(root, say);
  const system = await binIn(SYSTEM_POSTGRES);
  const postgresBin = system ?? (await binIn(path.join(root, SYSTEM_POSTGRES)));
  if (postgresBin === undefined) {
    throw new PeerMissing(`there is no PostgreSQL, neither on this system nor in ${root}: remove that folder`);
  }
  return { root, postgresBin, postgresIsUnpacked: system === undefined };
}

async function release(): Promise<string> {
  const text = existsSync('/etc/os-release') ? await readFile('/etc/os-release', 'utf8') : '';
  return /^VERSION_CODENAME=(\S+)/m.exec(text)?.[1] ?? 'unknown';
}

/** The folder of the newest PostgreSQL's programs. */
async function binIn(folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return undefined;
  const versions = (await readdir(folder)).filter((name) => existsSync(path.join(folder, name, 'bin', 'initdb')));
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : path.join(folder, newest, 'bin');
}

async function unpackInto(root: string, say: Say): Promise<void> {
  const names = await knownPackageNames();
  say(`Downloading ${String(names.length)} Debian packages for ejabberd (once) ...`);
  await mkdir(peersFolder(), { recursive: true });
  const scratch = await mkdtemp(path.join(peersFolder(), 'download-'));
  try {
    await output('apt-get', ['download', '-qq', ...names], { cwd: scratch });
    const unpacked = path.join(scratch, 'root');
    const files = (await readdir(scratch)).filter((file) => file.endsWith('.deb'));
    for (const file of files) await output('dpkg-deb', ['-x', path.join(scratch, file), unpacked]);
    // The rename is what publishes it: another run sees nothing or all of it.
    await rename(unpacked, root);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Lists of packages that are missing (in a fresh container) are fetched, where that is allowed. */
async function knownPackageNames(): Promise<string[]> {
  try {
    return await packageNames();
  } catch (error) {
    if (!(error instanceof PeerMissing) || !error.message.includes('Unable to locate')) throw error;
    if (process.getuid?.() !== 0)
      throw new PeerMissing('apt does not know ejabberd: run `apt-get update` as root once');
    await output('apt-get', ['update', '-qq']);
    return packageNames();
  }
}

async function packageNames(): Promise<string[]> {
  const wanted = (await binIn(SYSTEM_POSTGRES)) === undefined ? [...WANTED, 'postgresql'] : WANTED;
  const closure = (await output('apt-cache', ['depends', '--recurse', ...DEPENDS, ...WANTED])).split('\n');
  const whole = closure.filter((name) => WHOLE.test(name));
  const simulated = await output('apt-get', ['install', '-s', '-qq', '--no-install-recommends', ...wanted]);
  return [...new Set([...whole, ...newIn(simulated)])];
}

/** What `apt-get install -s` would install that is not there in any version. */
export function newIn(simulated: string): string[] {
  const found = [...simulated.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] ?? '');
  return found.filter((name) => !NOT_NEEDED.test(name));
}
