/** Builds the keys of one service: `godwit:session:{<tag>}:<rest>`. */
export interface Keyspace {
  /**
   * The key of something that belongs to `tag` (a user, a conversation). All keys of a tag are in one cluster slot, so
   * that scripts and transactions can use them together.
   */
  key(tag: string, ...rest: readonly string[]): string;
  /** A prefix of all keys, for tests that look at what is there. */
  readonly prefix: string;
}

// A brace in a part would move the hash tag; a colon would let two different keys be spelled alike.
const PART_PATTERN = /^[A-Za-z0-9_.-]+$/;
// Conversation ids are made of ids and colons.
const TAG_PATTERN = /^[A-Za-z0-9_.:-]+$/;

export const keyspace = (namespace: string, service: string): Keyspace => {
  const prefix = `${namespace}:${service}:`;
  return {
    prefix,
    key: (tag, ...rest) => {
      if (!TAG_PATTERN.test(tag)) throw new RangeError(`"${tag}" can't be the hash tag of a key`);
      const bad = rest.find((part) => !PART_PATTERN.test(part));
      if (bad !== undefined) throw new RangeError(`"${bad}" can't be part of a key`);
      return [`${prefix}{${tag}}`, ...rest].join(':');
    },
  };
};
