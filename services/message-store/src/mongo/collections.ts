import { declareCollection } from '@godwit/mongo/collection';
import type { Timestamp } from 'mongodb';
import { KIND } from '../domain/message.js';

/** A message. What is 0 or empty is left out. */
export interface MessageDocument {
  readonly conversationId: string;
  readonly seq: number;
  readonly senderId: string;
  readonly senderDevice: string;
  readonly clientMessageId: string;
  /** SHA-256 over kind and content. */
  readonly bodyHash: Uint8Array;
  readonly serverTime: Date;
  /** Of a membership change: its own seq. */
  readonly membershipVersion: number;
  readonly kind: number;
  readonly targetSeq?: number;
  readonly mediaIds?: readonly string[];
  readonly expiresAt: Date;
  /** `expiresAt`, where the sender chose it; removed with the payload. */
  readonly earlyExpiry?: Date;
  /** The encoded envelope; removed when the message has done its duty. */
  readonly envelope?: Uint8Array;
  /** The key that the envelope is encrypted with at rest; unset: none. */
  readonly keyId?: string;
  /** Incarnation of the process that inserted it. */
  readonly by: string;
  /** Why the envelope is gone: godwit.message.v1.GoneReason. */
  readonly goneReason?: number;
  /** When the tombstone goes; a document without it is never deleted. */
  readonly purgeAt?: Date;
}

/** Seqs, both included, that a restore passed over: see ADR 10. */
export interface SkippedDocument {
  readonly fromSeq: number;
  readonly toSeq: number;
  /** When the backup was taken: what the restore is known by. */
  readonly backupAt: Date;
}

/** What is known of a conversation beside its messages. Every number is only ever raised. */
export interface ConversationDocument {
  readonly conversationId: string;
  readonly headSeq?: number;
  readonly membershipVersion?: number;
  readonly serverTime?: Date;
  readonly floorSeq?: number;
  readonly purgeSeq?: number;
  readonly expiredSeq?: number;
  readonly historyDays?: number;
  readonly expireAfterSeconds?: number;
  /** There are payloads above the floor. */
  readonly unreaped?: boolean;
  /** By rising seq. */
  readonly skipped?: readonly SkippedDocument[];
}

export interface DeliveryDocument {
  readonly conversationId: string;
  readonly userId: string;
  /** Device -> seq. */
  readonly delivered?: Readonly<Record<string, number>>;
  /** What any of the devices has acked. */
  readonly high?: number;
  readonly read?: number;
  /** When a mark was last raised. */
  readonly at?: Date;
}

export interface StoreProcessDocument {
  /** Incarnation. */
  readonly _id: string;
  readonly node: string;
  readonly beat: number;
  /** For people; nothing compares it. */
  readonly heartbeat: Date;
  /** All it appended before this moment of the oplog is confirmed. */
  readonly confirmedAt: Timestamp;
  readonly claimedBy?: string;
  readonly claimedAt?: Date;
  readonly claimBeat: number;
  /** Written by the claimer to find in the oplog how far it has read. */
  readonly fence?: string;
}

/** A restore from a backup: all conversations have passed over so many seqs, and new ones begin above them. */
export interface StoreRestoreDocument {
  /** When the backup was taken. */
  readonly _id: Date;
  readonly seqs: number;
}

export const messages = declareCollection<MessageDocument>({
  name: 'messages',
  shardKey: { conversationId: 1 },
  indexes: [
    { key: { conversationId: 1, seq: 1 }, unique: true },
    { key: { conversationId: 1, senderId: 1, clientMessageId: 1 }, unique: true },
    // With seq at its end, so that the border of a time range is one key of the index.
    { key: { conversationId: 1, serverTime: 1, seq: 1 } },
    // The rest are partial: an ordinary message costs no key in them.
    { key: { conversationId: 1, kind: 1, seq: 1 }, partialFilterExpression: { kind: KIND.membership } },
    { key: { conversationId: 1, targetSeq: 1 }, partialFilterExpression: { kind: KIND.edit } },
    { key: { conversationId: 1, earlyExpiry: 1 }, partialFilterExpression: { earlyExpiry: { $exists: true } } },
    { key: { purgeAt: 1 }, expireAfterSeconds: 0, partialFilterExpression: { purgeAt: { $exists: true } } },
  ],
});

/**
 * Names of the unique indexes, as duplicate key errors tell them, and as hints: for an `$or` MongoDB keeps to the index
 * that it chose once, and one of three that begin with the same key was seen to read whole conversations (160,000 keys
 * for 256 ids).
 */
export const SEQ_INDEX = 'conversationId_1_seq_1';
export const ID_INDEX = 'conversationId_1_senderId_1_clientMessageId_1';

export const conversations = declareCollection<ConversationDocument>({
  name: 'conversations',
  shardKey: { conversationId: 1 },
  indexes: [
    { key: { conversationId: 1 }, unique: true },
    { key: { unreaped: 1, conversationId: 1 }, partialFilterExpression: { unreaped: true } },
  ],
});

export const deliveries = declareCollection<DeliveryDocument>({
  name: 'deliveries',
  shardKey: { conversationId: 1, userId: 1 },
  indexes: [{ key: { conversationId: 1, userId: 1 }, unique: true }, { key: { conversationId: 1, at: 1 } }],
});

export const storeProcesses = declareCollection<StoreProcessDocument>({
  name: 'store_processes',
  shardKey: { _id: 1 },
  indexes: [],
});

export const storeRestores = declareCollection<StoreRestoreDocument>({
  name: 'store_restores',
  shardKey: { _id: 1 },
  indexes: [],
});

export const collections = [messages, conversations, deliveries, storeProcesses, storeRestores];
