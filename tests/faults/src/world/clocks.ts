import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
];

/** The library that lets a process see another time (Debian: `apt install faketime`), where there is one. */
export function faketimeLibrary(): string | undefined {
  return LIBRARIES.find((file) => existsSync(file));
}

/** Wall clocks of processes, which jump while they run, as when NTP sets them. Monotonic clocks stay what they are. */
export class Clocks {
  readonly #dir: string;
  readonly #library: string | undefined;

  constructor(dir: string, library = faketimeLibrary()) {
    this.#dir = dir;
    this.#library = library;
  }

  get available(): boolean {
    return this.#library !== undefined;
  }

  /** For a process whose clock can be set. */
  async environmentOf(name: string): Promise<Record<string, string>> {
    if (this.#library === undefined) return {};
    await this.skew(name, 0);
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#fileOf(name),
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  async skew(name: string, seconds: number): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    await writeFile(this.#fileOf(name), `${seconds < 0 ? '' : '+'}${String(seconds)}\n`);
  }

  #fileOf(name: string): string {
    return path.join(this.#dir, `${name}.clock`);
  }
}
