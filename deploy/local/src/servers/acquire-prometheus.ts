import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../process/managed-process.js';
import { StackError } from '../stack-error.js';
import { cacheFolder, findOnPath, isExecutable, lastLine, type Acquisition } from './acquire-server.js';

const run = promisify(execFile);

export interface Prometheus {
  readonly prometheus: string;
  readonly promtool: string;
  /** Where it came from, for people: `GODWIT_PROMETHEUS_BIN`, `PATH`, `cache`, `downloaded`. */
  readonly source: string;
}

const BINARY_VARIABLE = 'GODWIT_PROMETHEUS_BIN';

/**
 * Finds Prometheus and, beside it, promtool: named by the environment, on PATH, in the cache, or else from Debian's
 * package, which is unpacked into the cache and not installed: no root, no service of the system.
 * @throws StackError with the way out, where it can't be had
 */
export async function acquirePrometheus(how: Acquisition): Promise<Prometheus> {
  const named = process.env[BINARY_VARIABLE];
  if (named !== undefined && named !== '') return beside(path.resolve(named), BINARY_VARIABLE);
  const onPath = await findOnPath('prometheus');
  if (onPath !== undefined) return beside(onPath, 'PATH');
  const cached = path.join(cacheFolder(), 'prometheus-debian', 'prometheus');
  if (await isExecutable(cached)) return beside(cached, 'cache');
  await download(path.dirname(cached), how);
  return beside(cached, 'downloaded');
}

async function beside(prometheus: string, source: string): Promise<Prometheus> {
  const promtool = path.join(path.dirname(prometheus), 'promtool');
  for (const file of [prometheus, promtool]) {
    if (!(await isExecutable(file))) throw new StackError(`${file} is not an executable file (${source}).`);
  }
  return { prometheus, promtool, source };
}

async function download(folder: string, how: Acquisition): Promise<void> {
  how.report?.('Downloading Prometheus (the package of this Debian or Ubuntu) ...');
  await mkdir(path.dirname(folder), { recursive: true });
  const scratch = await mkdtemp(path.join(path.dirname(folder), 'download-'));
  try {
    await downloadPackage(scratch, how);
    const file = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new Error('apt-get left no package');
    await run('dpkg-deb', ['--extract', path.join(scratch, file), path.join(scratch, 'unpacked')]);
    const binaries = path.join(scratch, 'unpacked', 'usr', 'bin');
    await run(path.join(binaries, 'prometheus'), ['--version'], { timeout: 30_000 });
    // The rename is what publishes it: another process sees nothing or the whole folder.
    await rename(binaries, folder);
  } catch (error) {
    // Another process was faster.
    if (await isExecutable(path.join(folder, 'prometheus'))) return;
    throw new StackError(
      `Prometheus could not be had from apt (${lastLine(messageOf(error))}): install it and have prometheus and ` +
        `promtool on PATH, or name the binary in ${BINARY_VARIABLE}.`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** apt checks its signature. Downloading needs no root; fetching lists that are not there does. */
async function downloadPackage(folder: string, { signal }: Acquisition): Promise<void> {
  const options = { cwd: folder, timeout: 120_000, ...(signal === undefined ? {} : { signal }) };
  const get = (): Promise<unknown> => run('apt-get', ['download', '--quiet', 'prometheus'], options);
  try {
    await get();
  } catch (error) {
    if (process.getuid?.() !== 0 || signal?.aborted === true) throw error;
    await run('apt-get', ['update', '--quiet'], options);
    await get();
  }
}
