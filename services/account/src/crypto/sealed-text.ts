import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

// AES-256-GCM. What is sealed is bound to a label (additional data), so that it can't be put in another's place.

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** nonce, tag, ciphertext. */
export const seal = (key: Buffer, label: string, text: string): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(label));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
};

/** @throws Error when the key or the label is another, or a bit was changed */
export const unseal = (key: Buffer, label: string, sealed: Buffer): string => {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(label))
    .setAuthTag(tag);
  return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
};
