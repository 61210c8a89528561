import { NO_HEAD, type Head } from '../domain/head-cache.js';
import { GONE, type GoneReason, type LoggedMessage, type NumberedMessage, type StoredAck } from '../domain/message.js';
import type { ConversationRecord } from '../domain/message-log.js';
import type { ReapableMessage } from '../domain/plan-reaping.js';
import type { Retention } from '../domain/retention.js';
import type { ConversationDocument, MessageDocument } from './collections.js';

// Between what is stored and what the rules know.

export const toDocument = ({ item, ...place }: NumberedMessage, by: string): MessageDocument => ({
  conversationId: item.conversationId,
  seq: place.seq,
  senderId: item.senderUserId,
  senderDevice: item.senderDeviceId,
  clientMessageId: item.clientMessageId,
  bodyHash: item.bodyHash,
  serverTime: new Date(place.serverTimeMs),
  membershipVersion: place.membershipVersion,
  kind: item.kind,
  ...(item.targetSeq > 0 ? { targetSeq: item.targetSeq } : undefined),
  ...(item.mediaIds.length > 0 ? { mediaIds: item.mediaIds } : undefined),
  expiresAt: new Date(place.expiresAtMs),
  ...(item.expiresAtMs > 0 ? { earlyExpiry: new Date(place.expiresAtMs) } : undefined),
  envelope: item.envelope,
  by,
});

const GONE_REASONS: readonly GoneReason[] = Object.values(GONE);

export const toGoneReason = (stored: number | undefined): GoneReason | undefined =>
  GONE_REASONS.find((reason) => reason === stored);

export const toStoredAck = (
  document: Pick<MessageDocument, 'seq' | 'serverTime' | 'membershipVersion' | 'bodyHash'>,
): StoredAck => ({
  seq: document.seq,
  serverTimeMs: document.serverTime.getTime(),
  membershipVersion: document.membershipVersion,
  bodyHash: document.bodyHash,
});

export const LOGGED_FIELDS = {
  _id: 0,
  conversationId: 1,
  seq: 1,
  serverTime: 1,
  senderId: 1,
  senderDevice: 1,
  kind: 1,
  membershipVersion: 1,
  expiresAt: 1,
  envelope: 1,
  goneReason: 1,
} as const;

export const toLogged = (document: MessageDocument): LoggedMessage => ({
  conversationId: document.conversationId,
  seq: document.seq,
  serverTimeMs: document.serverTime.getTime(),
  senderUserId: document.senderId,
  senderDeviceId: document.senderDevice,
  kind: document.kind,
  membershipVersion: document.membershipVersion,
  expiresAtMs: document.expiresAt.getTime(),
  envelope: document.envelope,
  gone: toGoneReason(document.goneReason),
});

export const REAPABLE_FIELDS = {
  _id: 0,
  conversationId: 1,
  seq: 1,
  senderId: 1,
  senderDevice: 1,
  kind: 1,
  serverTime: 1,
  expiresAt: 1,
  earlyExpiry: 1,
  goneReason: 1,
} as const;

export const toReapable = (document: MessageDocument): ReapableMessage => ({
  seq: document.seq,
  senderUserId: document.senderId,
  senderDeviceId: document.senderDevice,
  kind: document.kind,
  serverTimeMs: document.serverTime.getTime(),
  expiresAtMs: document.expiresAt.getTime(),
  expiryChosen: document.earlyExpiry !== undefined,
  gone: toGoneReason(document.goneReason),
});

export const toRetention = (document: ConversationDocument | undefined): Retention => ({
  historyDays: document?.historyDays ?? 0,
  expireAfterSeconds: document?.expireAfterSeconds ?? 0,
});

const NONE_SKIPPED: ConversationRecord['skipped'] = [];

export const toRecord = (document: ConversationDocument): ConversationRecord => ({
  headSeq: document.headSeq ?? 0,
  membershipVersion: document.membershipVersion ?? 0,
  serverTimeMs: document.serverTime?.getTime() ?? 0,
  floorSeq: document.floorSeq ?? 0,
  purgeSeq: document.purgeSeq ?? 0,
  expiredSeq: document.expiredSeq ?? 0,
  skipped: document.skipped ?? NONE_SKIPPED,
  retention: toRetention(document),
});

export type Newest = Pick<MessageDocument, 'conversationId' | 'seq' | 'membershipVersion' | 'serverTime'>;

export const NEWEST_FIELDS = { _id: 0, conversationId: 1, seq: 1, membershipVersion: 1, serverTime: 1 } as const;

/** The head by the newest message alone. */
export const toStoredHead = (newest: Newest | undefined): Omit<Head, 'retention'> | undefined =>
  newest === undefined
    ? undefined
    : { seq: newest.seq, membershipVersion: newest.membershipVersion, serverTimeMs: newest.serverTime.getTime() };

/** The higher of both in all: each may be behind the other (raised late; purged). */
export const toHead = (newest: Newest | undefined, record: ConversationRecord | undefined): Head =>
  newest === undefined && record === undefined
    ? NO_HEAD
    : {
        seq: Math.max(newest?.seq ?? 0, record?.headSeq ?? 0),
        membershipVersion: Math.max(newest?.membershipVersion ?? 0, record?.membershipVersion ?? 0),
        serverTimeMs: Math.max(newest?.serverTime.getTime() ?? 0, record?.serverTimeMs ?? 0),
        retention: record?.retention ?? NO_HEAD.retention,
      };
