import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import type { JWK } from 'jose';
import type { Clock } from '@godwit/runtime/clock';
import { activeKey, dueKey, publishedKeys, type KeySchedule, type KeyTimes } from '../domain/key-schedule.js';
import type { AccessTokenClaims, AccessTokenSigner } from '../domain/ports.js';
import { deriveKey } from './keyed-secrets.js';
import { seal, unseal } from './sealed-text.js';

export const TOKEN_ISSUER = 'godwit';
export const TOKEN_AUDIENCE = 'godwit-edge';

/** A signing key as it is kept: the private part sealed. */
export interface StoredKey extends KeyTimes {
  readonly kid: string;
  readonly sealedPrivateKey: Buffer;
}

export interface SigningKeyStore {
  list(): Promise<readonly StoredKey[]>;
  /** False when there is a key of this generation. */
  insert(key: StoredKey): Promise<boolean>;
}

interface LoadedKey extends KeyTimes {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
}

export interface SigningKeysOptions {
  readonly store: SigningKeyStore;
  readonly clock: Clock;
  readonly masterKey: string;
  readonly schedule: KeySchedule;
}

/** The keys of access tokens: Ed25519, made and rotated here, shared by all replicas through the store. */
export class SigningKeys implements AccessTokenSigner {
  readonly #options: SigningKeysOptions;
  readonly #sealingKey: Buffer;
  #keys: readonly LoadedKey[] = [];

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    this.#sealingKey = deriveKey(options.masterKey, 'signing keys');
  }

  /** Reads the keys, and makes the next one when it is time. Call it at the start, and every minute or so. */
  async refresh(): Promise<void> {
    const { store, clock, schedule } = this.#options;
    let stored = await store.list();
    const due = dueKey(stored, clock.now(), schedule);
    if (due !== undefined) {
      // Whether this one or another replica's was first doesn't matter: what is stored then counts.
      await store.insert(await this.#create(due));
      stored = await store.list();
    }
    const known = new Map(this.#keys.map((key) => [key.kid, key]));
    this.#keys = await Promise.all(stored.map(async (key) => known.get(key.kid) ?? this.#load(key)));
  }

  async sign({ userId, deviceId, issuedAt, expiresAt }: AccessTokenClaims): Promise<string> {
    const key = activeKey(this.#keys, this.#options.clock.now());
    if (key === undefined) throw new Error('there is no key to sign access tokens with');
    return new SignJWT({ dev: deviceId })
      .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: 'JWT' })
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setSubject(userId)
      .setIssuedAt(Math.floor(issuedAt / 1_000))
      .setExpirationTime(Math.floor(expiresAt / 1_000))
      .sign(key.privateKey);
  }

  /** The public keys, as RFC 7517 wants them. */
  jwks(): { readonly keys: readonly JWK[] } {
    const { clock, schedule } = this.#options;
    return { keys: publishedKeys(this.#keys, clock.now(), schedule).map(({ publicJwk }) => publicJwk) };
  }

  async #create(times: KeyTimes): Promise<StoredKey> {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { ...times, kid, sealedPrivateKey: seal(this.#sealingKey, kid, pem) };
  }

  async #load({ generation, activeFrom, kid, sealedPrivateKey }: StoredKey): Promise<LoadedKey> {
    const privateKey = createPrivateKey(this.#unseal(kid, sealedPrivateKey));
    const publicJwk = { ...(await exportJWK(createPublicKey(privateKey))), kid, alg: 'EdDSA', use: 'sig' };
    return { generation, activeFrom, kid, privateKey, publicJwk };
  }

  #unseal(kid: string, sealed: Buffer): string {
    try {
      return unseal(this.#sealingKey, kid, sealed);
    } catch (error) {
      const message = 'the signing keys in MongoDB were sealed with another GODWIT_MASTER_KEY: start with that one';
      throw new Error(message, { cause: error });
    }
  }
}
