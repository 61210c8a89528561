import type { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { NodePool } from '@godwit/rpc/node-pool';
import { LRUCache } from 'lru-cache';
import type { ConversationMembers, Membership } from '../domain/reaper.js';
import { MAX_TRACKED_MEMBERS } from '../domain/retention.js';

const DEADLINE_MS = 5_000;
/** Some 150 bytes each. */
const MAX_KNOWN_MEMBERS = 100_000;
const KNOWN_MS = 10 * 60_000;

/** Who is in a conversation, asked of group. */
export class GroupMembership implements Membership {
  readonly #pool: NodePool<typeof GroupServiceService>;
  readonly #known = new LRUCache<string, ConversationMembers>({
    maxSize: MAX_KNOWN_MEMBERS,
    sizeCalculation: ({ members }) => (members?.length ?? 0) + 1,
    ttl: KNOWN_MS,
  });

  constructor(pool: NodePool<typeof GroupServiceService>) {
    this.#pool = pool;
  }

  async members(conversationId: string, minVersion: number): Promise<ConversationMembers> {
    const known = this.#known.get(conversationId);
    // Members change by messages only: at this version they are who they were.
    if (known !== undefined && known.membershipVersion >= minVersion && minVersion > 0) return known;
    const members = await this.#ask(conversationId, minVersion);
    this.#known.set(conversationId, members);
    return members;
  }

  async #ask(conversationId: string, minVersion: number): Promise<ConversationMembers> {
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
