import type { MemberRow } from '../domain/conversation.js';
import type { ConversationHead, Invite, StoredMember, UserConversationRow } from '../domain/ports.js';
import type { GroupDocument, InviteDocument, MemberDocument, UserConversationDocument } from './collections.js';
import type { Raise } from './raise.js';

export const toStoredMember = (document: MemberDocument): StoredMember => ({
  userId: document.userId,
  role: document.role,
  intervals: document.intervals.map(({ from, to }) => ({ from, to })),
  appliedSeq: document.appliedSeq,
  mutedUntil: document.mutedUntil ?? 0,
});

export const toUserConversationRow = (document: UserConversationDocument): UserConversationRow => ({
  conversationId: document.conversationId,
  role: document.role,
  intervals: document.intervals.map(({ from, to }) => ({ from, to })),
  mutedUntil: document.mutedUntil ?? 0,
});

export const toHead = (document: GroupDocument): ConversationHead => ({
  conversationId: document.conversationId,
  version: document.membershipVersion,
  name: document.name,
  pictureMediaId: document.pictureMediaId,
  settings: { whoMaySend: document.settings.whoMaySend, whoMayAdd: document.settings.whoMayAdd },
  createdAt: document.createdAt,
  memberCount: document.memberCount,
  muteVersion: document.muteVersion,
});

export const rowRaise = (conversationId: string, row: MemberRow): Raise => ({
  key: { conversationId, userId: row.userId },
  versionField: 'appliedSeq',
  version: row.appliedSeq,
  set: { role: row.role, intervals: row.intervals },
});

export const headRaise = (head: Omit<ConversationHead, 'muteVersion'>): Raise => {
  const { conversationId, version, ...set } = head;
  return { key: { conversationId }, versionField: 'membershipVersion', version, set, initially: { muteVersion: 0 } };
};

export const toInvite = (document: InviteDocument): Invite => ({
  inviteId: document._id,
  conversationId: document.conversationId,
  createdBy: document.createdBy,
  createdAt: document.createdAt.getTime(),
  expiresAt: document.expiresAt.getTime(),
  maxJoins: document.maxJoins,
  joins: document.joins,
  revoked: document.revoked,
});

export const toInviteDocument = ({ inviteId, createdAt, expiresAt, ...rest }: Invite): InviteDocument => ({
  ...rest,
  _id: inviteId,
  createdAt: new Date(createdAt),
  expiresAt: new Date(expiresAt),
  joiners: [],
});
