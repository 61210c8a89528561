import { isId } from './id.js';

/** A conversation id taken apart. The users of a private conversation are sorted. */
export type Conversation =
  | { readonly kind: 'private'; readonly users: readonly [string, string] }
  | { readonly kind: 'group'; readonly id: string };

const ID_LENGTH = 26;
const PRIVATE_LENGTH = 'p:'.length + ID_LENGTH + ':'.length + ID_LENGTH;
const GROUP_LENGTH = 'g:'.length + ID_LENGTH;

/**
 * The one conversation of two users, whoever asks: `p:<smaller>:<larger>`.
 * @throws RangeError when one is not an id, or both are the same user
 */
export const privateConversation = (a: string, b: string): string => {
  if (!isId(a) || !isId(b)) throw new RangeError('a private conversation is between two user ids');
  if (a === b) throw new RangeError('a private conversation is between two different users');
  return a < b ? `p:${a}:${b}` : `p:${b}:${a}`;
};

/**
 * The conversation of a group: `g:<id>`.
 * @throws RangeError when it is not an id
 */
export const groupConversation = (id: string): string => {
  if (!isId(id)) throw new RangeError('a group conversation is named by an id');
  return `g:${id}`;
};

/** Takes a conversation id apart, or undefined when it isn't one in its only spelling (users sorted, two of them). */
export const parseConversation = (value: unknown): Conversation | undefined => {
  if (typeof value !== 'string') return undefined;
  if (value.length === GROUP_LENGTH && value.startsWith('g:')) {
    const id = value.slice(2);
    return isId(id) ? { kind: 'group', id } : undefined;
  }
  if (value.length !== PRIVATE_LENGTH || !value.startsWith('p:') || value.charAt(2 + ID_LENGTH) !== ':')
    return undefined;
  const first = value.slice(2, 2 + ID_LENGTH);
  const second = value.slice(3 + ID_LENGTH);
  return isId(first) && isId(second) && first < second ? { kind: 'private', users: [first, second] } : undefined;
};

export const isConversationId = (value: unknown): value is string => parseConversation(value) !== undefined;

/** The other user of a private conversation, or undefined when `user` is not one of the two. */
export const peerOf = (
  conversation: { readonly users: readonly [string, string] },
  user: string,
): string | undefined => {
  const [a, b] = conversation.users;
  if (user === a) return b;
  return user === b ? a : undefined;
};
