import { isConversationId } from '@godwit/ids/conversation';
import { isClientMessageId, isDeviceId, isId } from '@godwit/ids/id';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import { KIND, type AppendItem } from '../domain/message.js';

export interface Problem {
  readonly field: string;
  readonly problem: string;
}

/** Ids in one call. */
export const MAX_BATCH = 1_000;

const HASH_BYTES = 32;
const MAX_ENVELOPE_BYTES = 262_144;
const MAX_MEDIA_IDS = 10;
const KINDS: ReadonlySet<number> = new Set(Object.values(KIND));

const isSeq = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

// One after the other and not as a table: this runs for every message.
/** What is wrong with an item, if anything is. */
export const problemWith = (item: AppendItem): Problem | undefined => {
  if (!isConversationId(item.conversationId)) return { field: 'conversation_id', problem: 'is not a conversation id' };
  if (!isId(item.senderUserId)) return { field: 'sender_user_id', problem: 'is not a user id' };
  if (item.senderDeviceId !== '' && !isDeviceId(item.senderDeviceId)) {
    return { field: 'sender_device_id', problem: 'is neither empty nor a device id' };
  }
  if (!isClientMessageId(item.clientMessageId)) {
    return { field: 'client_message_id', problem: 'is not 1 to 64 of [A-Za-z0-9_-]' };
  }
  if (item.bodyHash.length !== HASH_BYTES) return { field: 'body_hash', problem: 'is not a SHA-256' };
  return item.lookupOnly ? undefined : problemWithContent(item);
};

const problemWithContent = (item: AppendItem): Problem | undefined => {
  const { envelope, kind, mediaIds, targetSeq, expiresAtMs, membershipVersion } = item;
  if (!KINDS.has(kind)) return { field: 'kind', problem: 'is unknown' };
  if (envelope.length === 0 || envelope.length > MAX_ENVELOPE_BYTES) {
    return { field: 'envelope', problem: `has not 1 to ${MAX_ENVELOPE_BYTES} bytes` };
  }
  if (mediaIds.length > MAX_MEDIA_IDS) return { field: 'media_ids', problem: `has more than ${MAX_MEDIA_IDS}` };
  if (!isSeq(targetSeq)) return { field: 'target_seq', problem: 'is not a seq' };
  if (!isSeq(expiresAtMs)) return { field: 'expires_at_ms', problem: 'is not a time' };
  if (!isSeq(membershipVersion)) return { field: 'membership_version', problem: 'is not a version' };
  return undefined;
};

/** Throws INVALID_ARGUMENT naming the field, unless the value is good. */
export const requireThat = (good: boolean, field: string, message: string): void => {
  if (!good) throw invalidArgument(field, message);
};

export const requireConversation = (value: string, field = 'conversation_id'): void => {
  requireThat(isConversationId(value), field, 'is not a conversation id');
};

export const requireUser = (value: string, field = 'user_id'): void => {
  requireThat(isId(value), field, 'is not a user id');
};

export const requireDevice = (value: string, field = 'device_id'): void => {
  requireThat(isDeviceId(value), field, 'is not a device id');
};

export const requireSeq = (value: number, field: string): void => {
  requireThat(isSeq(value), field, 'is not a whole number from 0');
};

export const requireCount = (
  count: number,
  field: string,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): void => {
  requireThat(count >= min && count <= max, field, `has ${count} where ${min} to ${max} are allowed`);
};
