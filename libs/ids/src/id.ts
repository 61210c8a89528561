// Identifiers are 26 characters of RFC 4648 base32 in lower case: 128 random bits and two zero bits of padding. The
// alphabet rules out `$`, dots, subject wildcards and every key of Object.prototype, so an id is safe as a document
// field, an object key, a NATS token and part of a Redis key. No Node imports: clients use this file too.

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const ID_BYTES = 16;
const ID_PATTERN = /^[a-z2-7]{26}$/;
const CLIENT_MESSAGE_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

// One call for the random bytes of 64 ids: the call into the operating system costs more than the encoding.
const pool = new Uint8Array(ID_BYTES * 64);
let poolOffset = pool.length;

const encode = (bytes: Uint8Array): string => {
  let text = '';
  let bits = 0;
  let buffered = 0;
  for (const byte of bytes) {
    buffered = (buffered << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((buffered >> bits) & 31);
    }
    buffered &= (1 << bits) - 1;
  }
  return text + ALPHABET.charAt((buffered << (5 - bits)) & 31);
};

/** A new random id. */
export const newId = (): string => {
  if (poolOffset === pool.length) {
    globalThis.crypto.getRandomValues(pool);
    poolOffset = 0;
  }
  const id = encode(pool.subarray(poolOffset, poolOffset + ID_BYTES));
  pool.fill(0, poolOffset, poolOffset + ID_BYTES);
  poolOffset += ID_BYTES;
  return id;
};

/**
 * The id that the first 16 bytes make, of a hash for example: the same bytes, the same id.
 * @throws RangeError when there are fewer
 */
export const idFromBytes = (bytes: Uint8Array): string => {
  if (bytes.length < ID_BYTES) throw new RangeError('an id takes 16 bytes');
  return encode(bytes.subarray(0, ID_BYTES));
};

/** Whether this is an id of ours (user, device, group, session, ...). */
export const isId = (value: unknown): value is string => typeof value === 'string' && ID_PATTERN.test(value);

/** Device ids are ids. The name says at the call which one is meant. */
export const isDeviceId = isId;

/**
 * Whether a client may call a message this: 1 to 64 characters of `[A-Za-z0-9_-]`, but no key of Object.prototype
 * (`constructor`, `__proto__`), because such ids become keys of maps in clients of every language.
 */
export const isClientMessageId = (value: unknown): value is string =>
  typeof value === 'string' && CLIENT_MESSAGE_ID_PATTERN.test(value) && !(value in Object.prototype);
