import { NoAnswerError, RefusedError } from './errors.js';
import type { HttpCalls } from './calls.js';
import type { Storage } from './storage.js';

export interface AccessToken {
  readonly token: string;
  /** ms since 1970, the server's clock. */
  readonly expiresAtMs: number;
}

/** Where the client gets access tokens from. */
export interface TokenSource {
  /** A token that is good for a while; `renew`: not the one given before. Rejects with RefusedError when signed out. */
  accessToken(renew: boolean): Promise<AccessToken>;
}

/** A token that somebody else renews, or nobody. */
export function fixedToken(token: string, expiresAtMs = Number.MAX_SAFE_INTEGER): TokenSource {
  return {
    accessToken: (renew) =>
      renew
        ? Promise.reject(new RefusedError({ reason: 'TOKEN_EXPIRED', message: 'this access token can not be renewed' }))
        : Promise.resolve({ token, expiresAtMs }),
  };
}

/** The tokens of a device as `validateAccount` gives them. */
export interface DeviceTokens {
  readonly accessToken: string;
  readonly accessExpiresAtMs: number;
  readonly refreshToken: string;
}

const KEY = 'tokens';
const RENEW_BEFORE_MS = 60_000;

/** Keeps a device's tokens in `storage` and renews them with the rotating refresh token. */
export class RefreshingTokens implements TokenSource {
  readonly #storage: Storage;
  readonly #http: HttpCalls;
  #tokens: DeviceTokens | undefined;
  #renewing: Promise<AccessToken> | undefined;

  constructor(storage: Storage, http: HttpCalls) {
    this.#storage = storage;
    this.#http = http;
  }

  /** After signing in: the tokens of `signedIn`. */
  async replace(tokens: DeviceTokens): Promise<void> {
    this.#tokens = tokens;
    await this.#storage.set(KEY, new TextEncoder().encode(JSON.stringify(tokens)));
  }

  async accessToken(renew: boolean): Promise<AccessToken> {
    const tokens = await this.#current();
    if (!renew && tokens.accessExpiresAtMs - Date.now() > RENEW_BEFORE_MS) return access(tokens);
    // One exchange at a time: the token that a second one would use is used up by the first.
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #current(): Promise<DeviceTokens> {
    if (this.#tokens !== undefined) return this.#tokens;
    const entry = (await this.#storage.entries(KEY)).find(([key]) => key === KEY);
    // What was set while the storage was read is newer than what was read.
    if (this.#tokens === undefined && entry !== undefined) {
      this.#tokens = JSON.parse(new TextDecoder().decode(entry[1])) as DeviceTokens;
    }
    if (this.#tokens === undefined) throw new RefusedError({ reason: 'UNAUTHENTICATED', message: 'not signed in' });
    return this.#tokens;
  }

  async #renew(): Promise<AccessToken> {
    const { refreshToken } = await this.#current();
    const { tokens } = await this.#http.call('refreshToken', { refreshToken });
    if (tokens === undefined) throw new NoAnswerError('refreshToken was answered without tokens');
    const fresh = {
      accessToken: tokens.accessToken,
      accessExpiresAtMs: Number(tokens.accessExpiresAtMs),
      refreshToken: tokens.refreshToken,
    };
    await this.replace(fresh);
    return access(fresh);
  }
}

function access(tokens: DeviceTokens): AccessToken {
  return { token: tokens.accessToken, expiresAtMs: tokens.accessExpiresAtMs };
}
