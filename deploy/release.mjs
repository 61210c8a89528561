// node deploy/release.mjs [COMMIT]: pins a commit (HEAD) as the last release, which all that follows has to be compatible
// with. Writes its contracts as an image of buf, for `npm run check:proto`, and its services as JavaScript, for the tests
// that roll a fleet from it to the sources of now and back. A clone need have no history for either.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CONTRACTS = 'libs/proto/released.binpb';
const SERVICES = 'tests/faults/released.tar.br';
const COMPILER = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  removeComments: true,
};

const git = (...args) => execFileSync('git', args, { cwd: ROOT, maxBuffer: 2 ** 28 });

/** Package by package, what the services need of the workspace at run time: name -> folder. */
function packagesNeeded(sources) {
  const manifests = new Map();
  for (const group of ['libs', 'services']) {
    for (const name of readdirSync(path.join(sources, group))) {
      const folder = path.join(group, name);
      const manifest = readManifest(path.join(sources, folder));
      if (manifest !== undefined) manifests.set(manifest.name, { folder, manifest });
    }
  }
  const needed = new Map();
  const need = (name) => {
    const found = manifests.get(name);
    if (found === undefined || needed.has(name)) return;
    needed.set(name, found);
    Object.keys(found.manifest.dependencies ?? {}).forEach(need);
  };
  for (const [name, { folder }] of manifests) if (folder.startsWith('services/')) need(name);
  return needed;
}

function readManifest(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** As `tsc` would, but for the types: what was released has been checked. */
function compile(from, to) {
  for (const file of readdirSync(path.join(from, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(path.join(from, 'src', file), 'utf8'), {
      compilerOptions: COMPILER,
      fileName: file,
    });
    const target = path.join(to, 'dist', file.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
}

function writeServices(sources, release) {
  const out = path.join(sources, '..', 'release');
  for (const { folder, manifest } of packagesNeeded(sources).values()) {
    compile(path.join(sources, folder), path.join(out, folder));
    const { name, version, type, exports, dependencies } = manifest;
    const kept = JSON.stringify({ name, version, type, exports, dependencies });
    writeFileSync(path.join(out, folder, 'package.json'), kept);
  }
  writeFileSync(path.join(out, 'release.json'), `${JSON.stringify(release)}\n`);
  // The same commit gives the same bytes.
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
  const tar = execFileSync('tar', [...same, '--create', '--directory', out, '.'], { maxBuffer: 2 ** 28 });
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: tar.length };
  writeFileSync(path.join(ROOT, SERVICES), brotliCompressSync(tar, { params }));
}

function writeContracts(sources) {
  const buf = path.join(ROOT, 'node_modules/.bin/buf');
  execFileSync(buf, ['build', '--exclude-source-info', '-o', path.join(ROOT, CONTRACTS)], { cwd: sources });
}

const [commit = 'HEAD'] = process.argv.slice(2);
const revision = git('rev-parse', '--verify', `${commit}^{commit}`).toString().trim();
const scratch = mkdtempSync(path.join(tmpdir(), 'godwit-release-'));
try {
  const sources = path.join(scratch, 'sources');
  mkdirSync(sources);
  execFileSync('tar', ['--extract', '--directory', sources], { input: git('archive', '--format=tar', revision) });
  const { version } = readManifest(sources);
  writeContracts(sources);
  writeServices(sources, { version, revision });
  console.log(`${CONTRACTS} and ${SERVICES} are of ${version}, ${revision}.`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
