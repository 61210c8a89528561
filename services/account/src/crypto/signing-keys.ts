import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import type { JWK } from 'jose';
import type { Clock } from '@godwit/runtime/clock';
import type { RotatingSecret } from '@godwit/runtime/config';
import type { Logger } from '@godwit/runtime/logger';
import { activeKey, dueKey, publishedKeys, type KeySchedule, type KeyTimes } from '../domain/key-schedule.js';
import type { AccessTokenClaims, AccessTokenSigner } from '../domain/ports.js';
import { keysFor } from './keyed-secrets.js';
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
  /** Puts the private part anew, unless somebody else has meanwhile. */
  reseal(key: StoredKey, sealedPrivateKey: Buffer): Promise<void>;
}

interface LoadedKey extends KeyTimes {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
}

export interface SigningKeysOptions {
  readonly store: SigningKeyStore;
  readonly clock: Clock;
  readonly masterKey: RotatingSecret;
  readonly logger: Logger;
  readonly schedule: KeySchedule;
}

const opened = (key: Buffer, kid: string, sealed: Buffer): string | undefined => {
  try {
    return unseal(key, kid, sealed);
  } catch {
    // Another key's, or changed: whoever tries all keys tells.
    return undefined;
  }
};

/** The keys of access tokens: Ed25519, made and rotated here, shared by all replicas through the store. */
export class SigningKeys implements AccessTokenSigner {
  readonly #options: SigningKeysOptions;
  readonly #sealingKeys: readonly [Buffer, ...Buffer[]];
  #keys: readonly LoadedKey[] = [];

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    this.#sealingKeys = keysFor(options.masterKey, 'signing keys');
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
    return { ...times, kid, sealedPrivateKey: seal(this.#sealingKeys[0], kid, pem) };
  }

  async #load(stored: StoredKey): Promise<LoadedKey> {
    const { generation, activeFrom, kid } = stored;
    const privateKey = createPrivateKey(await this.#unseal(stored));
    const publicJwk = { ...(await exportJWK(createPublicKey(privateKey))), kid, alg: 'EdDSA', use: 'sig' };
    return { generation, activeFrom, kid, privateKey, publicJwk };
  }

  /** What a former master key has sealed is sealed anew, so that the former one can go. */
  async #unseal(stored: StoredKey): Promise<string> {
    const { store, logger } = this.#options;
    const { kid, generation, sealedPrivateKey } = stored;
    for (const [index, key] of this.#sealingKeys.entries()) {
      const pem = opened(key, kid, sealedPrivateKey);
      if (pem === undefined) continue;
      if (index > 0) {
        await store.reseal(stored, seal(this.#sealingKeys[0], kid, pem));
        logger.info({ generation }, 'a signing key was sealed anew with the first of GODWIT_MASTER_KEY');
      }
      return pem;
    }
    throw new Error('the signing keys in MongoDB were sealed with another GODWIT_MASTER_KEY: start with that one');
  }
}
