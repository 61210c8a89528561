import { isConversationId } from '@godwit/ids/conversation';
import { Envelope } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type {
  GetMembershipLogRequest,
  GetMembershipLogResponse,
  MembershipEntry,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { MessageLog, StoredMessage } from '../domain/ports.js';

const MAX_ENTRIES = 100;

const entryFrom = ({ seq, serverTimeMs, senderUserId, envelope }: StoredMessage): MembershipEntry => {
  const content = Envelope.decode(envelope).payload?.content;
  if (content?.$case !== 'membership') throw new Error(`the log has no change of members at ${String(seq)}`);
  return { seq, serverTimeMs, actorUserId: senderUserId, membership: content.value };
};

/** The changes of members after a version. */
export const getMembershipLog =
  (log: MessageLog) =>
  async ({ conversationId, afterVersion, limit }: GetMembershipLogRequest): Promise<GetMembershipLogResponse> => {
    if (!isConversationId(conversationId)) throw invalidArgument('conversation_id', 'is not a conversation id');
    if (limit > MAX_ENTRIES) throw invalidArgument('limit', 'is not 1 to 100, or 0 for 100');
    const page = await log.membershipLog(conversationId, afterVersion, limit === 0 ? MAX_ENTRIES : limit);
    return { entries: page.messages.map(entryFrom), membershipVersion: page.membershipVersion, more: page.more };
  };
