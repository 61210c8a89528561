import { isConversationId } from '@godwit/ids/conversation';
import { isClientMessageId, isId } from '@godwit/ids/id';
import type { Fetch, Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { invalid, type Refusal } from '../domain/refusal.js';
import type { Cursor } from '../domain/sync-round.js';
import { MAX_CURSORS } from '../domain/syncs.js';

// What the shape of a frame does not say: whether ids are ids and numbers can be counted with. Whether they are of
// something, and whether this user may, is for the services to say.

const MAX_FETCH = 256;
const MAX_TOPICS_A_FRAME = 1_000;

const CONVERSATION_RULE = 'is not a conversation id: p:<user>:<user> (sorted) or g:<group>';

/** As the decoders give it. */
export interface WireCursor {
  readonly conversationId: string;
  readonly seq: number | bigint;
}

const isCountable = (value: number | bigint): boolean => value <= Number.MAX_SAFE_INTEGER;

export const checkCursors = (cursors: readonly WireCursor[]): Refusal | undefined => {
  if (cursors.length > MAX_CURSORS) return invalid('cursors', `has more than ${String(MAX_CURSORS)} entries`);
  for (const [index, { conversationId, seq }] of cursors.entries()) {
    if (!isConversationId(conversationId))
      return invalid(`cursors[${String(index)}].conversation_id`, CONVERSATION_RULE);
    if (!isCountable(seq)) return invalid(`cursors[${String(index)}].seq`, 'is larger than any seq');
  }
  return undefined;
};

export const toCursor = ({ conversationId, seq }: WireCursor): Cursor => ({ conversationId, seq: Number(seq) });

export const checkSend = ({ conversationId, clientMessageId, metadata, payload }: Send): Refusal | undefined => {
  if (!isConversationId(conversationId)) return invalid('conversation_id', CONVERSATION_RULE);
  if (!isClientMessageId(clientMessageId)) return invalid('client_message_id', 'is not 1 to 64 of [A-Za-z0-9_-]');
  if (metadata === undefined) return invalid('metadata', 'is missing');
  if (payload === undefined) return invalid('payload', 'is missing');
  const numbers = {
    timestamp_ms: metadata.timestampMs,
    target_seq: metadata.targetSeq,
    expires_at_ms: metadata.expiresAtMs,
  };
  const uncountable = Object.entries(numbers).find(([, value]) => !isCountable(value));
  return uncountable === undefined ? undefined : invalid(`metadata.${uncountable[0]}`, 'is too large');
};

export const checkFetch = (fetch: Fetch): Refusal | undefined => {
  if (!isConversationId(fetch.conversationId)) return invalid('conversation_id', CONVERSATION_RULE);
  if (fetch.limit > MAX_FETCH) return invalid('limit', `is more than ${String(MAX_FETCH)}`);
  const numbers = { after_seq: fetch.afterSeq, before_seq: fetch.beforeSeq, from_ms: fetch.fromMs, to_ms: fetch.toMs };
  const uncountable = Object.entries(numbers).find(([, value]) => !isCountable(value));
  return uncountable === undefined ? undefined : invalid(uncountable[0], 'is too large');
};

export const checkConversation = (conversationId: string): Refusal | undefined =>
  isConversationId(conversationId) ? undefined : invalid('conversation_id', CONVERSATION_RULE);

export const checkTopics = (topics: {
  readonly userIds: readonly string[];
  readonly conversationIds: readonly string[];
}): Refusal | undefined => {
  const { userIds, conversationIds } = topics;
  if (userIds.length > MAX_TOPICS_A_FRAME)
    return invalid('user_ids', `has more than ${String(MAX_TOPICS_A_FRAME)} entries`);
  if (conversationIds.length > MAX_TOPICS_A_FRAME) {
    return invalid('conversation_ids', `has more than ${String(MAX_TOPICS_A_FRAME)} entries`);
  }
  const user = userIds.findIndex((id) => !isId(id));
  if (user >= 0) return invalid(`user_ids[${String(user)}]`, 'is not a user id');
  const conversation = conversationIds.findIndex((id) => !isConversationId(id));
  return conversation < 0 ? undefined : invalid(`conversation_ids[${String(conversation)}]`, CONVERSATION_RULE);
};
