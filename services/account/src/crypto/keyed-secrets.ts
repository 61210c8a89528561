import { createHash, createHmac, hkdfSync, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { RotatingSecret } from '@godwit/runtime/config';
import type { Secrets } from '../domain/ports.js';

export interface SecretKeys {
  /** Keys the hashes of phone numbers and codes, of which there are too few for a plain hash to hide them. */
  readonly phonePepper: string;
  readonly masterKey: RotatingSecret;
}

const DERIVED_BYTES = 32;

/** A key for one purpose from a secret of the configuration (HKDF, RFC 5869). */
export const deriveKey = (secret: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, 'godwit account', purpose, DERIVED_BYTES));

const hmac = (key: Buffer, text: string): string => createHmac('sha256', key).update(text).digest('base64url');
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The same for a secret that is being rotated: the first is for what is made now. */
export const keysFor = ([used, ...accepted]: RotatingSecret, purpose: string): readonly [Buffer, ...Buffer[]] => [
  deriveKey(used, purpose),
  ...accepted.map((secret) => deriveKey(secret, purpose)),
];

// 256 random bits: nothing to guess, so no key and no slow hash.
const tokenHash = (token: string): string => sha256(token).toString('base64url');
// Hashes are of the same length whatever is compared.
const same = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b));

export const createSecrets = ({ phonePepper, masterKey }: SecretKeys): Secrets => {
  const phoneKey = deriveKey(phonePepper, 'phone numbers');
  const codeKey = deriveKey(phonePepper, 'one-time codes');
  const refreshKeys = keysFor(masterKey, 'refresh tokens');
  return {
    phoneKey: (phone) => hmac(phoneKey, phone),
    newCode: () => String(randomInt(1_000_000)).padStart(6, '0'),
    codeHash: (verificationId, code) => hmac(codeKey, `${verificationId}:${code}`),
    newToken: () => randomBytes(32).toString('base64url'),
    tokenHash,
    nextToken: (token, salt) => hmac(refreshKeys[0], `${token}:${salt}`),
    repeatedToken: (token, { salt, successorHash }) =>
      refreshKeys.map((key) => hmac(key, `${token}:${salt}`)).find((made) => same(tokenHash(made), successorHash)),
    same,
  };
};
