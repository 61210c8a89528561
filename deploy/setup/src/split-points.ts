import type { IndexKey } from '@godwit/mongo/collection';

/** What ids are written with (libs/ids), in the order in which MongoDB sorts them. */
const ALPHABET = '234567abcdefghijklmnopqrstuvwxyz';

/** Ids are random, so equal steps through the first two letters are equal shares. */
const idBounds = (count: number): string[] => {
  const space = ALPHABET.length * ALPHABET.length;
  return Array.from({ length: count }, (_, index) => {
    const position = Math.floor((space * index) / count);
    return `${ALPHABET.charAt(Math.floor(position / ALPHABET.length))}${ALPHABET.charAt(position % ALPHABET.length)}`;
  });
};

/**
 * Lower bounds of the chunks of an empty collection. By user: equal shares of the ids. By conversation: equal shares of
 * groups (`g:`) and of private chats (`p:`). Keys that are looked up (hashes, names) start in one chunk and are split by
 * the balancer as they grow.
 */
export const splitPoints = (shardKey: IndexKey, chunks: number): string[] => {
  const [field] = Object.keys(shardKey);
  if (field === 'userId') return idBounds(chunks);
  if (field !== 'conversationId') return [];
  const bounds = idBounds(Math.max(1, Math.floor(chunks / 2)));
  return ['g:', 'p:'].flatMap((prefix) => bounds.map((bound) => `${prefix}${bound}`));
};
