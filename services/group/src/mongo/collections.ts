import type { ObjectId } from 'mongodb';
import { declareCollection } from '@godwit/mongo/collection';
import type { GroupSettings, Interval, Role } from '../domain/conversation.js';

/** Projection of the log: a user in a conversation, read by conversation. */
export interface MemberDocument {
  _id?: ObjectId;
  conversationId: string;
  userId: string;
  role: Role;
  intervals: Interval[];
  /** The last entry of the log that is in this row. */
  appliedSeq: number;
  mutedUntil?: number;
}

/** The same row, read by user. */
export type UserConversationDocument = MemberDocument;

/** Projection of the log: the rest of a conversation, private ones too. Written after the rows. */
export interface GroupDocument {
  _id?: ObjectId;
  conversationId: string;
  membershipVersion: number;
  name: string;
  pictureMediaId: string;
  settings: GroupSettings;
  memberCount: number;
  createdAt: number;
  muteVersion: number;
}

export interface InviteDocument {
  /** The hash of the token. */
  _id: string;
  conversationId: string;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  maxJoins: number;
  joins: number;
  /** The last who were counted. */
  joiners: string[];
  revoked: boolean;
}

export const members = declareCollection<MemberDocument>({
  name: 'members',
  shardKey: { conversationId: 1, userId: 1 },
  indexes: [{ key: { conversationId: 1, userId: 1 }, unique: true }],
});

export const userConversations = declareCollection<UserConversationDocument>({
  name: 'user_conversations',
  shardKey: { userId: 1 },
  indexes: [{ key: { userId: 1, conversationId: 1 }, unique: true }],
});

export const groups = declareCollection<GroupDocument>({
  name: 'groups',
  shardKey: { conversationId: 1 },
  indexes: [{ key: { conversationId: 1 }, unique: true }],
});

// Kept a day longer, so that a late use is told apart from a wrong link in the operator's eyes.
const INVITE_KEPT_SECONDS = 86_400;

export const invites = declareCollection<InviteDocument>({
  name: 'invites',
  shardKey: { _id: 1 },
  indexes: [{ key: { expiresAt: 1 }, expireAfterSeconds: INVITE_KEPT_SECONDS }],
});

export const COLLECTIONS = [members, userConversations, groups, invites];
