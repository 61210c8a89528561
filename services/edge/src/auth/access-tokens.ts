import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { isDeviceId, isId } from '@godwit/ids/id';
import type { Clock } from '@godwit/runtime/clock';

/** Whose access token it is, and until when. */
export interface TokenOwner {
  readonly userId: string;
  readonly deviceId: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}

export type TokenCheck =
  | { readonly ok: true; readonly owner: TokenOwner }
  | {
      readonly ok: false;
      readonly reason: 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'UNAVAILABLE';
      readonly message: string;
    };

export interface AccessTokenOptions {
  /** Asks `account` for the current keys (JWKS as JSON). */
  readonly fetchKeys: () => Promise<string>;
  readonly clock: Clock;
}

const ISSUER = 'godwit';
const AUDIENCE = 'godwit-edge';
/** An unknown key id makes us ask for the keys; forged ones must not make us ask all the time. */
const REFRESH_MIN_MS = 10_000;
const REFRESH_MAX_MS = 10 * 60_000;
const CLOCK_TOLERANCE_S = 5;

const unauthenticated = (message: string): TokenCheck => ({ ok: false, reason: 'UNAUTHENTICATED', message });

/** Checks access tokens (EdDSA JWTs of `account`) with keys that are fetched now and then. */
export class AccessTokens {
  readonly #options: AccessTokenOptions;
  #keys: JWTVerifyGetKey | undefined;
  #jwks = '{"keys":[]}';
  #fetchedAt = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(options: AccessTokenOptions) {
    this.#options = options;
  }

  get ready(): boolean {
    return this.#keys !== undefined;
  }

  /** The keys as they were fetched last. */
  get jwks(): string {
    return this.#jwks;
  }

  /** Fetches the keys unless that was done just now. @throws when `account` does not answer */
  async refresh(minAgeMs = REFRESH_MIN_MS): Promise<void> {
    if (this.#options.clock.monotonic() - this.#fetchedAt < minAgeMs) return;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
  }

  async check(token: string): Promise<TokenCheck> {
    if (this.#keys === undefined) return { ok: false, reason: 'UNAVAILABLE', message: 'this edge has no keys yet' };
    const result = await this.#verify(token, this.#keys);
    if (result !== 'unknown key') {
      this.#refreshOld();
      return result;
    }
    try {
      await this.refresh();
    } catch {
      return { ok: false, reason: 'UNAVAILABLE', message: 'the keys of access tokens can not be fetched now' };
    }
    const second = await this.#verify(token, this.#keys);
    return second === 'unknown key' ? unauthenticated('the access token is signed by nobody we know') : second;
  }

  async #verify(token: string, keys: JWTVerifyGetKey): Promise<TokenCheck | 'unknown key'> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: ISSUER,
        audience: AUDIENCE,
        algorithms: ['EdDSA', 'Ed25519'],
        requiredClaims: ['exp', 'sub', 'dev'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(this.#options.clock.now()),
      });
      const { sub: userId, dev: deviceId, exp = 0 } = payload;
      if (!isId(userId) || !isDeviceId(deviceId)) return unauthenticated('the access token names no device');
      return { ok: true, owner: { userId, deviceId, expiresAt: exp * 1_000 } };
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return 'unknown key';
      if (error instanceof errors.JWTExpired) {
        return { ok: false, reason: 'TOKEN_EXPIRED', message: 'the access token has expired' };
      }
      if (error instanceof errors.JOSEError) return unauthenticated('the access token is not valid');
      throw error;
    }
  }

  /** Retired keys go, without anybody waiting for it. */
  #refreshOld(): void {
    this.refresh(REFRESH_MAX_MS).catch(() => {
      // The keys we have are good until `account` is back.
      this.#fetchedAt = this.#options.clock.monotonic() - REFRESH_MAX_MS + REFRESH_MIN_MS;
    });
  }

  async #fetch(): Promise<void> {
    const text = await this.#options.fetchKeys();
    this.#keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    this.#jwks = text;
    this.#fetchedAt = this.#options.clock.monotonic();
  }
}
