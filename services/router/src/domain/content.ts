import { isId, isClientMessageId } from '@godwit/ids/id';
import { isConversationId } from '@godwit/ids/conversation';
import { KIND, needsTarget } from './kind.js';
import { invalid, type Refusal } from './refusal.js';

/** What a payload holds, as far as rules look into it. */
export type Content =
  | { readonly $case: 'text' | 'edit'; readonly value: { readonly text: string } }
  | {
      readonly $case: 'location';
      readonly value: { readonly latitude: number; readonly longitude: number; readonly name: string };
    }
  | {
      readonly $case: 'contact';
      readonly value: { readonly userId: string; readonly displayName: string; readonly phone: string };
    }
  | { readonly $case: 'reaction'; readonly value: { readonly emoji: string } }
  | { readonly $case: 'delete' | 'seen' | 'membership'; readonly value: object }
  | { readonly $case: 'encrypted'; readonly value: Uint8Array };

/** A message that somebody wants sent. */
export interface SendCommand {
  readonly userId: string;
  readonly deviceId: string;
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly timestampMs: number;
  readonly kind: number;
  readonly targetSeq: number;
  readonly mediaIds: readonly string[];
  readonly expiresAtMs: number;
  /** The payload, encoded; goes into the envelope as it is. */
  readonly payload: Uint8Array;
  /** The payload, decoded; undefined when it is empty or can't be decoded. */
  readonly content: Content | undefined;
  readonly retry: boolean;
  /** Of the span that its append belongs below; empty: not traced. */
  readonly traceparent: string;
}

export interface ContentLimits {
  readonly maxTextBytes: number;
  readonly maxEncryptedBytes: number;
}

const MAX_REACTION_BYTES = 32;
const MAX_NAME_BYTES = 256;
const MAX_MEDIA_IDS = 10;
const MAX_EXPIRY_MS = 30 * 86_400_000;

const CASE_OF_KIND: Readonly<Record<number, Content['$case']>> = {
  [KIND.text]: 'text',
  [KIND.location]: 'location',
  [KIND.contact]: 'contact',
  [KIND.reaction]: 'reaction',
  [KIND.edit]: 'edit',
  [KIND.delete]: 'delete',
  [KIND.seen]: 'seen',
  [KIND.encrypted]: 'encrypted',
};

const utf8Length = (text: string): number => Buffer.byteLength(text, 'utf8');

const checkText = (field: string, text: string, maxBytes: number): Refusal | undefined => {
  const bytes = utf8Length(text);
  if (bytes === 0) return invalid(field, 'the text is empty');
  return bytes > maxBytes ? invalid(field, `the text has more than ${String(maxBytes)} bytes`) : undefined;
};

const checkName = (field: string, name: string): Refusal | undefined =>
  utf8Length(name) > MAX_NAME_BYTES ? invalid(field, `is longer than ${String(MAX_NAME_BYTES)} bytes`) : undefined;

const within = (value: number, limit: number): boolean => value >= -limit && value <= limit;

const checkContent = (content: Content, limits: ContentLimits): Refusal | undefined => {
  switch (content.$case) {
    case 'text':
    case 'edit':
      return checkText(`payload.${content.$case}.text`, content.value.text, limits.maxTextBytes);
    case 'location':
      if (!within(content.value.latitude, 90)) return invalid('payload.location.latitude', 'is not in -90 to 90');
      if (!within(content.value.longitude, 180)) return invalid('payload.location.longitude', 'is not in -180 to 180');
      return checkName('payload.location.name', content.value.name);
    case 'contact': {
      const { userId, displayName, phone } = content.value;
      if (userId !== '' && !isId(userId)) return invalid('payload.contact.user_id', 'is not a user id');
      if (userId === '' && displayName === '' && phone === '') return invalid('payload.contact', 'is empty');
      return checkName('payload.contact.display_name', displayName) ?? checkName('payload.contact.phone', phone);
    }
    case 'reaction':
      return utf8Length(content.value.emoji) > MAX_REACTION_BYTES
        ? invalid('payload.reaction.emoji', `is longer than ${String(MAX_REACTION_BYTES)} bytes`)
        : undefined;
    case 'encrypted':
      if (content.value.length === 0) return invalid('payload.encrypted', 'is empty');
      return content.value.length > limits.maxEncryptedBytes
        ? invalid('payload.encrypted', `has more than ${String(limits.maxEncryptedBytes)} bytes`)
        : undefined;
    case 'delete':
    case 'seen':
    case 'membership':
      return undefined;
  }
};

const checkKind = ({ kind, content }: SendCommand): Refusal | undefined => {
  if (kind === KIND.membership) {
    const message = 'changes of members are made with the group calls';
    return { reason: 'KIND_NOT_ALLOWED', field: 'metadata.kind', message };
  }
  const expected = CASE_OF_KIND[kind];
  if (expected === undefined) {
    return { reason: 'KIND_NOT_SUPPORTED', field: 'metadata.kind', message: 'messages of this kind can not be sent' };
  }
  if (content?.$case !== expected) return invalid('payload', `a message of this kind has the payload ${expected}`);
  return undefined;
};

const isSeq = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const checkMetadata = (command: SendCommand): Refusal | undefined => {
  if (!isSeq(command.targetSeq) || (needsTarget(command.kind) && command.targetSeq === 0)) {
    return invalid('metadata.target_seq', 'a message of this kind names the message it is about');
  }
  if (command.mediaIds.length > MAX_MEDIA_IDS) {
    return invalid('metadata.media_ids', `has more than ${String(MAX_MEDIA_IDS)} entries`);
  }
  const wrong = command.mediaIds.findIndex((id) => !isId(id));
  if (wrong >= 0) return invalid(`metadata.media_ids[${String(wrong)}]`, 'is not a media id');
  if (!isSeq(command.expiresAtMs)) return invalid('metadata.expires_at_ms', 'is not a time in ms since 1970');
  return isSeq(command.timestampMs) ? undefined : invalid('metadata.timestamp_ms', 'is not a time in ms since 1970');
};

/** What is wrong with a message by itself, whoever sends it and whenever; such a message was never stored. */
export const checkMessage = (command: SendCommand, limits: ContentLimits): Refusal | undefined => {
  if (!isConversationId(command.conversationId)) return invalid('conversation_id', 'is not a conversation id');
  if (!isClientMessageId(command.clientMessageId)) {
    return invalid('client_message_id', 'is not 1 to 64 of A-Z, a-z, 0-9, _ and -');
  }
  const refusal = checkKind(command) ?? checkMetadata(command);
  if (refusal !== undefined) return refusal;
  return command.content === undefined ? invalid('payload', 'is missing') : checkContent(command.content, limits);
};

/** What time does to a message: a retry may be refused here that was stored when it first came. */
export const checkExpiry = ({ expiresAtMs }: SendCommand, nowMs: number): Refusal | undefined => {
  if (expiresAtMs === 0) return undefined;
  if (expiresAtMs <= nowMs) return invalid('metadata.expires_at_ms', 'has passed');
  return expiresAtMs > nowMs + MAX_EXPIRY_MS
    ? invalid('metadata.expires_at_ms', 'is more than 30 days ahead')
    : undefined;
};
