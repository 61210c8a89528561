import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HttpCalls } from '@godwit/client/calls';
import { NoAnswerError, RefusedError } from '@godwit/client/errors';
import type { AccessToken, DeviceTokens, TokenSource } from '@godwit/client/tokens';
import { CliError, EXIT } from './exit.js';
import { isCode, locked } from './folder-lock.js';

/** A signed-in device, as it is kept in `profile.json`. */
export interface Profile {
  readonly userId: string;
  readonly deviceId: string;
  readonly userName: string;
  readonly edges: readonly string[];
}

const RENEW_BEFORE_MS = 60_000;

/** The folder of one profile: who is signed in, its tokens, its outbox and cursors. For its owner's eyes. */
export class ProfileFolder {
  readonly name: string;
  readonly path: string;

  constructor(name: string, home = process.env['GODWIT_HOME'] ?? join(homedir(), '.config', 'godwit')) {
    if (!/^[\w.-]{1,64}$/.test(name) || name.startsWith('.')) {
      throw new CliError(
        EXIT.usage,
        `${JSON.stringify(name)} is not a profile name: letters, digits, "_", "-" and "."`,
      );
    }
    this.name = name;
    this.path = join(home, name);
  }

  get state(): string {
    return join(this.path, 'state');
  }

  async find(): Promise<Profile | undefined> {
    return this.#read<Profile>('profile.json');
  }

  async read(): Promise<Profile> {
    const profile = await this.find();
    if (profile !== undefined) return profile;
    const command = this.name === 'default' ? 'godwit' : `godwit --profile ${this.name}`;
    throw new CliError(EXIT.signedOut, `not signed in here: \`${command} register\` or \`${command} login\` first`);
  }

  async signIn(profile: Profile, tokens: DeviceTokens): Promise<void> {
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
    return locked(join(this.path, 'tokens.lock'), async () => {
      const now = await this.#tokens();
      // Another process was faster.
      if (now.refreshToken !== tokens.refreshToken) return access(now);
      const response = await http.call('refreshToken', { refreshToken: now.refreshToken });
      if (response.tokens === undefined) throw new NoAnswerError('refreshToken was answered without tokens');
      const { accessToken, accessExpiresAtMs, refreshToken } = response.tokens;
      const fresh = { accessToken, accessExpiresAtMs: Number(accessExpiresAtMs), refreshToken };
      await this.#write('tokens.json', fresh);
      return access(fresh);
    });
  }

  async #tokens(): Promise<DeviceTokens> {
    const tokens = await this.#read<DeviceTokens>('tokens.json');
    if (tokens === undefined) throw new RefusedError({ reason: 'UNAUTHENTICATED', message: 'not signed in' });
    return tokens;
  }

  async #read<T>(file: string): Promise<T | undefined> {
    const path = join(this.path, file);
    try {
      return JSON.parse(await readFile(path, 'utf8')) as T;
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      if (error instanceof SyntaxError)
        throw new CliError(EXIT.broken, `${path} is broken: remove it, and sign in again`);
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

function access(tokens: DeviceTokens): AccessToken {
  return { token: tokens.accessToken, expiresAtMs: tokens.accessExpiresAtMs };
}
