import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HttpCalls } from '@godwit/client/calls';
import { RefusedError } from '@godwit/client/errors';
import type { AccessToken, TokenSource } from '@godwit/client/tokens';
import { CliError, EXIT } from './exit.js';

/** A signed-in device, as it is kept in `profile.json`. */
export interface Profile {
  readonly userId: string;
  readonly deviceId: string;
  readonly userName: string;
  readonly edges: readonly string[];
}

interface Tokens {
  readonly accessToken: string;
  readonly accessExpiresAtMs: number;
  readonly refreshToken: string;
}

const RENEW_BEFORE_MS = 60_000;
const LOCK_STALE_MS = 15_000;

/** The folder of one profile: who is signed in, its tokens, its outbox and cursors. */
export class ProfileFolder {
  readonly path: string;

  constructor(name: string, home = process.env['GODWIT_HOME'] ?? join(homedir(), '.config', 'godwit')) {
    if (!/^[\w.-]{1,64}$/.test(name) || name.startsWith('.')) {
      throw new CliError(
        EXIT.usage,
        `${JSON.stringify(name)} is not a profile name: letters, digits, "_", "-" and "."`,
      );
    }
    this.path = join(home, name);
  }

  get state(): string {
    return join(this.path, 'state');
  }

  async read(): Promise<Profile> {
    const text = await this.#text('profile.json');
    if (text === undefined) {
      throw new CliError(
        EXIT.signedOut,
        'not signed in here: `godwit register` or `godwit login` first (see --profile)',
      );
    }
    return JSON.parse(text) as Profile;
  }

  async signIn(profile: Profile, tokens: Tokens): Promise<void> {
    await this.forget();
    await this.#write('tokens.json', tokens);
    await this.#write('profile.json', profile);
  }

  async forget(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Tokens that several processes of the same profile may use and renew. */
  tokens(http: HttpCalls): TokenSource {
    return { accessToken: (renew) => this.#accessToken(http, renew) };
  }

  async #accessToken(http: HttpCalls, renew: boolean): Promise<AccessToken> {
    const tokens = await this.#tokens();
    if (!renew && tokens.accessExpiresAtMs - Date.now() > RENEW_BEFORE_MS) return access(tokens);
    return this.#locked(async () => {
      const now = await this.#tokens();
      // Another process was faster.
      if (now.refreshToken !== tokens.refreshToken) return access(now);
      const response = await http.call('refreshToken', { refreshToken: now.refreshToken });
      const fresh = {
        accessToken: response.tokens?.accessToken ?? '',
        accessExpiresAtMs: Number(response.tokens?.accessExpiresAtMs ?? 0n),
        refreshToken: response.tokens?.refreshToken ?? '',
      };
      await this.#write('tokens.json', fresh);
      return access(fresh);
    });
  }

  async #tokens(): Promise<Tokens> {
    const text = await this.#text('tokens.json');
    if (text === undefined) throw new RefusedError({ reason: 'UNAUTHENTICATED', message: 'not signed in' });
    return JSON.parse(text) as Tokens;
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const lock = join(this.path, 'tokens.lock');
    const until = Date.now() + LOCK_STALE_MS;
    while (!(await made(lock))) {
      // A process that died in there must not lock the profile for good.
      if (Date.now() > until) await rm(lock, { recursive: true, force: true });
      await delay(50);
    }
    try {
      return await work();
    } finally {
      await rm(lock, { recursive: true, force: true });
    }
  }

  async #text(file: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, file), 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #write(file: string, value: unknown): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const path = join(this.path, file);
    await writeFile(`${path}.next`, JSON.stringify(value, undefined, 2), { mode: 0o600 });
    await rename(`${path}.next`, path);
  }
}

function access(tokens: Tokens): AccessToken {
  return { token: tokens.accessToken, expiresAtMs: tokens.accessExpiresAtMs };
}

async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What a local stack in this folder, or one above, offers to clients. */
export interface LocalStack {
  readonly edges: readonly string[];
  readonly apiKey: string;
}

export function findLocalStack(from = process.cwd()): LocalStack | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const file = join(folder, '.godwit', 'client.json');
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as LocalStack;
    if (dirname(folder) === folder) return undefined;
  }
}
