import type { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { ConversationMembers, Membership } from '../domain/reaper.js';
import { MAX_TRACKED_MEMBERS } from '../domain/retention.js';

const DEADLINE_MS = 5_000;

/** Who is in a conversation, asked of group. */
export class GroupMembership implements Membership {
  readonly #pool: NodePool<typeof GroupServiceService>;

  constructor(pool: NodePool<typeof GroupServiceService>) {
    this.#pool = pool;
  }

  async members(conversationId: string, minVersion: number): Promise<ConversationMembers> {
    const request = { conversationId, minVersion, createPrivate: false };
    const members: { userId: string; intervals: { fromSeq: number; toSeq: number }[] }[] = [];
    let membershipVersion: number | undefined;
    for await (const { head, members: chunk } of this.#pool.readAny('getConversation', request, {
      deadlineMs: DEADLINE_MS,
    })) {
      if (head !== undefined) {
        membershipVersion = head.membershipVersion;
        if (head.memberCount > MAX_TRACKED_MEMBERS) return { membershipVersion, members: undefined };
      }
      for (const { userId, intervals } of chunk) members.push({ userId, intervals });
    }
    if (membershipVersion === undefined) throw new Error('group answered without the head of a conversation');
    return { membershipVersion, members };
  }
}
