// The way from a fresh clone to a command that runs: checks Node, installs what pnpm-lock.yaml pins, builds what has
// changed, then hands over. Plain JavaScript without dependencies, because nothing is installed when it starts.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.resolve(fileURLToPath(import.meta.url), '../../..');
const PNPM_VERSION = '12.20.0';

/** Something the person at the keyboard can act on. */
class Problem extends Error {}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Problem(
      `Node 20.19 or newer is needed, this is ${process.version}: install a newer one from nodejs.org.`,
    );
  }
}

/** How to call the pinned pnpm: the one on PATH if it is that version, else npx fetches it. */
function pnpmCommand() {
  const found = spawnSync('pnpm', ['--version'], { cwd: ROOT, encoding: 'utf8' });
  if (found.status === 0 && found.stdout.trim() === PNPM_VERSION) return { command: 'pnpm', args: [] };
  return { command: 'npx', args: ['--yes', `pnpm@${PNPM_VERSION}`] };
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(path.join(ROOT, file)));
  return hash.digest('hex');
}

function install() {
  const stamp = path.join(ROOT, 'node_modules', '.godwit-installed');
  const wanted = hashOf(['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // Half an installation is none.
  rmSync(stamp, { force: true });
  console.log('Installing packages (a minute the first time) ...');
  const { command, args } = pnpmCommand();
  const result = spawnSync(command, [...args, 'install', '--frozen-lockfile', '--config.confirm-modules-purge=false'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, npm_config_update_notifier: 'false' },
  });
  if (result.error !== undefined) {
    throw new Problem(`${command} could not be run (${result.error.message}): install Node with npm.`);
  }
  if (result.status !== 0) {
    console.error(result.stdout, result.stderr);
    throw new Problem(
      'The packages could not be installed; the words of pnpm are above. Is the package registry in reach?',
    );
  }
  writeFileSync(stamp, wanted);
}

function build() {
  console.log('Building ...');
  const result = spawnSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '--build'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.status !== 0) throw new Problem('The build has failed; the words of the compiler are above.');
}

/** Takes turns with another bootstrap on the same clone, which would install and build into the same folders. */
async function exclusively(work) {
  const lock = path.join(ROOT, '.godwit', 'bootstrap.lock');
  mkdirSync(path.dirname(lock), { recursive: true });
  let told = false;
  while (!tryLock(lock)) {
    if (!told) console.log('Another command is installing or building; waiting for it ...');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
  } catch (error) {
    // Its owner was killed. (An owner that has just written nothing yet reads as pid 0, which is always there.)
    if (error.code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}

/** Runs a program in the foreground; signals go to it, and its end is ours. */
async function run(args) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // Ctrl-C reaches the whole group by itself; sent twice, vitest would not clean up.
      if (signal !== 'SIGINT') child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

async function test(args) {
  const folder = mkdtempSync(path.join(tmpdir(), 'godwit-test-'));
  const report = path.join(folder, 'results.json');
  try {
    const code = await run([
      path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...args,
    ]);
    const { passed, failed, skipped } = countResults(report, code);
    if (skipped > 0) console.log(`${skipped} skipped`);
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0 ? code : code || 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts what vitest wrote; what is broken without a failed test (a file that can't be loaded) counts as one. */
function countResults(report, code) {
  if (!existsSync(report)) return { passed: 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const results = JSON.parse(readFileSync(report, 'utf8'));
  const brokenFiles = results.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
  ).length;
  const failed = results.numFailedTests + brokenFiles;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: results.numPendingTests + (results.numTodoTests ?? 0),
  };
}

/** What is built from `tests/faults` comprises the sabotage beside its sources. */
const RUNNERS = {
  bench: 'tests/bench/dist/main.js',
  faults: 'tests/faults/dist/src/main.js',
  analytics: 'analytics/dist/main.js',
};
const COMMANDS = ['build', 'start', 'stop', 'status', 'test', ...Object.keys(RUNNERS)];

async function main([command, ...args]) {
  if (!COMMANDS.includes(command)) throw new Problem(`Usage: node deploy/local/bootstrap.mjs ${COMMANDS.join(' | ')}`);
  checkNode();
  const launcher = path.join(ROOT, 'deploy/local/dist/main.js');
  // Neither looks into what may have changed since the stack was started.
  if ((command !== 'stop' && command !== 'status') || !existsSync(launcher)) {
    await exclusively(() => {
      install();
      build();
    });
  }
  if (command === 'build') return;
  if (command === 'test') process.exitCode = await test(args);
  else if (command in RUNNERS) process.exitCode = await run([path.join(ROOT, RUNNERS[command]), ...args]);
  else {
    process.argv = [process.execPath, launcher, command, ...args];
    await import(pathToFileURL(launcher).href);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  console.error(error.message);
  process.exitCode = 1;
  if (process.argv[2] === 'test') console.log('0 passed, 1 failed');
}
