import { createHash, createHmac, hkdfSync, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Secrets } from '../domain/ports.js';

export interface SecretKeys {
  /** Keys the hashes of phone numbers and codes, of which there are too few for a plain hash to hide them. */
  readonly phonePepper: string;
  readonly masterKey: string;
}

const DERIVED_BYTES = 32;

/** A key for one purpose from a secret of the configuration (HKDF, RFC 5869). */
export const deriveKey = (secret: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, 'godwit account', purpose, DERIVED_BYTES));

const hmac = (key: Buffer, text: string): string => createHmac('sha256', key).update(text).digest('base64url');
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

export const createSecrets = ({ phonePepper, masterKey }: SecretKeys): Secrets => {
  const phoneKey = deriveKey(phonePepper, 'phone numbers');
  const codeKey = deriveKey(phonePepper, 'one-time codes');
  const refreshKey = deriveKey(masterKey, 'refresh tokens');
  return {
    phoneKey: (phone) => hmac(phoneKey, phone),
    newCode: () => String(randomInt(1_000_000)).padStart(6, '0'),
    codeHash: (verificationId, code) => hmac(codeKey, `${verificationId}:${code}`),
    newToken: () => randomBytes(32).toString('base64url'),
    // 256 random bits: nothing to guess, so no key and no slow hash.
    tokenHash: (token) => sha256(token).toString('base64url'),
    nextToken: (token, salt) => hmac(refreshKey, `${token}:${salt}`),
    // Hashes are of the same length whatever is compared.
    same: (a, b) => timingSafeEqual(sha256(a), sha256(b)),
  };
};
