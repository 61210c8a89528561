import type { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { NodePool } from '@godwit/rpc/node-pool';
import { errorInfo } from '@godwit/rpc/rpc-error';
import type { ReadMembers } from '../domain/ports.js';

const DEADLINE_MS = 3_000;

/** `group.GetConversation`: those whose last interval is open are members today. */
export const createReadMembers =
  (group: NodePool<typeof GroupServiceService>): ReadMembers =>
  async (conversationId) => {
    const request = { conversationId, minVersion: 0, createPrivate: false };
    const members = new Set<string>();
    try {
      for await (const page of group.readAny('getConversation', request, { deadlineMs: DEADLINE_MS })) {
        for (const { userId, intervals } of page.members) if (intervals.at(-1)?.toSeq === 0) members.add(userId);
      }
    } catch (error) {
      if (errorInfo(error)?.reason === 'CONVERSATION_NOT_FOUND') return undefined;
      throw error;
    }
    return members;
  };
