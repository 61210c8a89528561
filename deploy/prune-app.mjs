// Takes out of a deployed service what never runs: sources, tests, types, source maps of others' packages (20 MB), and the
// binaries of uWebSockets.js for other systems and other Node versions (250 MB of 257). Adds the contracts, for gRPC reflection, and sbom.spdx.json, the list of
// what is left. Runs at the root of the project.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [app] = process.argv.slice(2);
if (app === undefined) throw new Error('usage: node prune-app.mjs FOLDER');

const UNUSED = /(\.d\.[mc]?ts(\.map)?|\.tsbuildinfo|\.md|\.markdown|\.ts|\.test\.js|\.flow)$/i;
const UNUSED_FOLDERS = new Set(['test', 'tests', '__tests__', 'docs', 'example', 'examples', '.github', 'coverage']);
const packages = new Map();

function isPackage(folder) {
  return existsSync(path.join(folder, 'package.json')) && path.basename(path.dirname(folder)) !== 'dist';
}

/** The images are made of Debian: the names of binaries for musl are others. */
const KEPT_BINARY = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;

/** `owner`: the package that the folder is in. */
function prune(folder, owner) {
  const found = isPackage(folder) ? note(folder) : undefined;
  const within = found ?? owner;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isSymbolicLink()) continue;
    if (entry.isDirectory()) {
      const unused = found && (UNUSED_FOLDERS.has(entry.name) || (found.godwit && entry.name === 'src'));
      if (unused) rmSync(full, { recursive: true });
      else prune(full, within);
    } else if (UNUSED.test(entry.name) && !/^licen[sc]e/i.test(entry.name)) rmSync(full);
    else if (entry.name.endsWith('.map') && !within?.godwit) rmSync(full);
    else if (/^uws_.*\.node$/.test(entry.name) && entry.name !== KEPT_BINARY) rmSync(full);
  }
}

function note(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  if (name === undefined || version === undefined) return undefined;
  // Where gRPC reflection looks for the contracts: beside the scope, as `proto/` is beside `libs/` (libs/rpc).
  if (name === '@godwit/rpc') cpSync('proto', path.resolve(folder, '../../proto'), { recursive: true });
  packages.set(`${name}@${version}`, { name, version, license: typeof license === 'string' ? license : 'NOASSERTION' });
  return { godwit: name.startsWith('@godwit/') };
}

function spdx() {
  const sorted = [...packages.values()].sort((a, b) =>
    `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`),
  );
  const id = (entry) => `SPDXRef-Package-${`${entry.name}-${entry.version}`.replace(/[^A-Za-z0-9.-]/g, '-')}`;
  const [root] = sorted.filter(({ name }) => name === JSON.parse(readFileSync(path.join(app, 'package.json'))).name);
  const digest = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
  const described = [...sorted, { name: 'node', version: process.versions.node, license: 'MIT' }];
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: root?.name ?? 'godwit',
    documentNamespace: `https://godwit.example/spdx/${digest}`,
    // The same input gives the same bytes: the time says nothing that the commit does not.
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: godwit-prune-app'] },
    packages: described.map((entry) => ({
      SPDXID: id(entry),
      name: entry.name,
      versionInfo: entry.version,
      licenseDeclared: entry.license,
      licenseConcluded: 'NOASSERTION',
      downloadLocation: 'NOASSERTION',
      copyrightText: 'NOASSERTION',
      externalRefs: entry.name.startsWith('@godwit/')
        ? []
        : [
            {
              referenceCategory: 'PACKAGE-MANAGER',
              referenceType: 'purl',
              referenceLocator: `pkg:${entry.name === 'node' ? 'generic' : 'npm'}/${encodeURIComponent(entry.name)}@${entry.version}`,
            },
          ],
    })),
    relationships: described.map((entry) => ({
      spdxElementId: 'SPDXRef-DOCUMENT',
      relationshipType: 'DESCRIBES',
      relatedSpdxElement: id(entry),
    })),
  };
}

if (!lstatSync(app).isDirectory()) throw new Error(`${app} is no folder`);
prune(app);
writeFileSync(path.join(app, 'sbom.spdx.json'), `${JSON.stringify(spdx(), undefined, 1)}\n`);
