import type {
  Conversation as WireConversation,
  GetConversationResponse,
  Group as WireGroup,
  MemberState,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { Conversation } from '../domain/conversation-directory.js';
import type { ConversationView, GroupView } from '../domain/conversation-views.js';
import type { Interval, MemberRow } from '../domain/conversation.js';
import { toWireRole, toWireSettings } from '../peers/membership-mapping.js';

export const toWireGroup = (group: GroupView): WireGroup => ({
  conversationId: group.conversationId,
  name: group.name,
  pictureMediaId: group.pictureMediaId,
  settings: toWireSettings(group.settings),
  membershipVersion: group.version,
  memberCount: group.memberCount,
  createdAtMs: group.createdAt,
  myRole: toWireRole(group.myRole),
});

export const toWireConversation = (view: ConversationView): WireConversation => ({
  conversationId: view.conversationId,
  group: view.group && toWireGroup(view.group),
  peerUserId: view.peerUserId,
  mutedUntilMs: view.mutedUntil,
});

export const toWireInterval = ({ from, to }: Interval): { fromSeq: number; toSeq: number } => ({
  fromSeq: from,
  toSeq: to,
});

const MEMBERS_PER_CHUNK = 1_000;

/** The head, then everyone who is or was a member. */
export const toChunks = (conversation: Conversation): GetConversationResponse[] => {
  const { conversationId, version, settings, memberCount, mutes } = conversation;
  const head = { conversationId, membershipVersion: version, settings: toWireSettings(settings), memberCount };
  const toMember = ({ userId, role, intervals }: MemberRow): MemberState => ({
    userId,
    role: toWireRole(role),
    intervals: intervals.map(toWireInterval),
    mutedUntilMs: mutes.get(userId) ?? 0,
  });
  const states = [...conversation.members.values()].map(toMember);
  if (states.length <= MEMBERS_PER_CHUNK) return [{ head, members: states }];
  // Alone, for those who want no more than the head of a large group.
  const chunks: GetConversationResponse[] = [{ head, members: [] }];
  for (let start = 0; start < states.length; start += MEMBERS_PER_CHUNK) {
    chunks.push({ head: undefined, members: states.slice(start, start + MEMBERS_PER_CHUNK) });
  }
  return chunks;
};
