import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import type { ServiceBuild } from '@godwit/local-stack/stack';

// What deploy/release.mjs has pinned: the services of the last release as JavaScript, with the manifests of their packages.
const ARCHIVE = path.join(PROJECT_ROOT, 'tests', 'faults', 'released.tar.br');

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The services of the last release, ready to be started. Their third-party packages are those of now. */
export class Release {
  readonly version: string;
  /** The commit. */
  readonly revision: string;
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    const text = readFileSync(path.join(dir, 'release.json'), 'utf8');
    const { version, revision } = JSON.parse(text) as { version: string; revision: string };
    this.version = version;
    this.revision = revision;
  }

  /** Into a new folder, which is the caller's to remove. */
  static unpack(dir: string): Release {
    mkdirSync(dir, { recursive: true });
    execFileSync('tar', ['--extract', '--directory', dir], { input: brotliDecompressSync(readFileSync(ARCHIVE)) });
    for (const group of ['libs', 'services']) {
      for (const name of readdirSync(path.join(dir, group))) link(dir, path.join(group, name));
    }
    return new Release(dir);
  }

  buildOf(service: string): ServiceBuild {
    const main = path.join(this.#dir, 'services', service, 'dist', 'main.js');
    if (!existsSync(main)) throw new RangeError(`${service} was not in ${this.version} (${this.revision})`);
    return { main, env: { GODWIT_VERSION: this.version, GODWIT_REVISION: this.revision } };
  }
}

/** Gives a package what it imports: its neighbours in the release, and what is installed here. */
function link(dir: string, folder: string): void {
  const { dependencies = {} } = JSON.parse(readFileSync(path.join(dir, folder, 'package.json'), 'utf8')) as Manifest;
  for (const name of Object.keys(dependencies)) {
    const target = name.startsWith('@godwit/')
      ? path.join(dir, 'libs', name.slice('@godwit/'.length))
      : realpathSync(path.join(PROJECT_ROOT, folder, 'node_modules', name));
    const place = path.join(dir, folder, 'node_modules', name);
    mkdirSync(path.dirname(place), { recursive: true });
    symlinkSync(target, place);
  }
}
