import { parseConversation, peerOf } from '@godwit/ids/conversation';
import { contains, isOpen, type Interval } from './intervals.js';
import { KIND } from './kind.js';
import { notAMember, type Refusal } from './refusal.js';

export type Role = 'member' | 'admin' | 'owner';

export interface Member {
  /** The role in the last interval. */
  role: Role;
  /** By seq; the last one is open for members of today. */
  intervals: Interval[];
  mutedUntilMs: number;
}

/** A conversation as it is known here, at a version. Changes that this router appends are applied in place. */
export interface ConversationView {
  readonly conversationId: string;
  version: number;
  whoMaySend: 'everyone' | 'admins';
  /** Former members too: what was sent in their time is theirs. */
  readonly members: Map<string, Member>;
  /** Members of today. */
  memberCount: number;
}

/** Members up to which marks are sent as receipts. */
export const RECEIPT_MEMBERS = 256;

/** A change of members as this router appends it. Changes of name and settings are not applied but read again. */
export type MembershipChange =
  | { readonly type: 'created'; readonly members: readonly NewMember[]; readonly whoMaySend: 'everyone' | 'admins' }
  | { readonly type: 'added'; readonly members: readonly NewMember[] }
  | { readonly type: 'removed'; readonly userIds: readonly string[] }
  | { readonly type: 'roles'; readonly members: readonly NewMember[] }
  | { readonly type: 'other' };

export interface NewMember {
  readonly userId: string;
  readonly role: Role;
}

const join = (view: ConversationView, { userId, role }: NewMember, seq: number): void => {
  const interval = { from: seq, to: Infinity };
  const member = view.members.get(userId);
  if (member === undefined) view.members.set(userId, { role, intervals: [interval], mutedUntilMs: 0 });
  else if (isOpen(member.intervals)) return;
  else {
    member.role = role;
    member.intervals.push(interval);
  }
  view.memberCount++;
};

const leave = (view: ConversationView, userId: string, seq: number): void => {
  const member = view.members.get(userId);
  const last = member?.intervals.at(-1);
  if (member === undefined || last?.to !== Infinity) return;
  // The removed member sees its removal, last.
  member.intervals[member.intervals.length - 1] = { from: last.from, to: seq };
  view.memberCount--;
};

/** The view of a conversation that has just begun with this change; undefined for changes that follow. */
export const beginConversation = (
  conversationId: string,
  change: MembershipChange,
  seq: number,
): ConversationView | undefined => {
  if (change.type !== 'created') return undefined;
  const view: ConversationView = {
    conversationId,
    version: seq,
    whoMaySend: change.whoMaySend,
    members: new Map(),
    memberCount: 0,
  };
  for (const member of change.members) join(view, member, seq);
  return view;
};

/** Brings the view from the version before to `seq`; false when it has to be read again instead. */
export const applyMembership = (view: ConversationView, change: MembershipChange, seq: number): boolean => {
  switch (change.type) {
    case 'added':
      for (const member of change.members) join(view, member, seq);
      break;
    case 'removed':
      for (const userId of change.userIds) leave(view, userId, seq);
      break;
    case 'roles':
      for (const { userId, role } of change.members) {
        const member = view.members.get(userId);
        if (member !== undefined) member.role = role;
      }
      break;
    case 'created':
    case 'other':
      return false;
  }
  view.version = seq;
  return true;
};

/** The other user of a private conversation; undefined in groups. */
export const peerIn = (conversationId: string, userId: string): string | undefined => {
  const parsed = parseConversation(conversationId);
  return parsed?.kind === 'private' ? peerOf(parsed, userId) : undefined;
};

export interface Writing {
  readonly userId: string;
  readonly kind: number;
  readonly targetSeq: number;
}

/** Why this user may not write this here, as far as the conversation itself knows; undefined: it may. */
export const refusalToWrite = (view: ConversationView, { userId, kind, targetSeq }: Writing): Refusal | undefined => {
  const member = view.members.get(userId);
  if (member === undefined || !isOpen(member.intervals)) return notAMember;
  // Marks and taking back are not sending: they stay possible where only admins write.
  const speaks = kind !== KIND.seen && kind !== KIND.delete;
  if (speaks && view.whoMaySend === 'admins' && member.role === 'member') {
    return { reason: 'ADMINS_ONLY', field: 'conversation_id', message: 'only admins write in this group' };
  }
  if (targetSeq > 0 && !contains(member.intervals, targetSeq)) {
    return {
      reason: 'TARGET_NOT_FOUND',
      field: 'metadata.target_seq',
      message: 'the target is no message of the user',
    };
  }
  return undefined;
};

export const isAdmin = (view: ConversationView, userId: string): boolean => {
  const member = view.members.get(userId);
  return member !== undefined && member.role !== 'member' && isOpen(member.intervals);
};
