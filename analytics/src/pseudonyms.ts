import { createHmac } from 'node:crypto';

export type Pseudonyms = (id: string) => string | undefined;

const LENGTH = 32;

/**
 * Names ids by the first 32 hex digits of their HMAC-SHA-256. The same id and key give the same one; without the key
 * nothing leads back to the id. What this remembers grows with the ids it is asked for.
 */
export const pseudonyms = (key: string): Pseudonyms => {
  const known = new Map<string, string>();
  return (id) => {
    if (id === '') return undefined;
    let name = known.get(id);
    if (name === undefined) {
      name = createHmac('sha256', key).update(id).digest('hex').slice(0, LENGTH);
      known.set(id, name);
    }
    return name;
  };
};
