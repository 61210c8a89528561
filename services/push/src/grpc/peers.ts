import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodePool } from '@godwit/rpc/node-pool';
import { Gatherer } from '@godwit/runtime/gatherer';
import type { Logger } from '@godwit/runtime/logger';
import { LRUCache } from 'lru-cache';
import type { DeviceDirectory, Mutes, PresenceOfDevices } from '../domain/ports.js';

/** When a group wakes thousands. */
const USERS_PER_CALL = 256;
const CALL = { deadlineMs: 3_000, idempotent: true } as const;

export const createDeviceDirectory = (
  accounts: Pick<NodePool<typeof AccountServiceService>, 'callAny'>,
): DeviceDirectory => {
  const asked = new Gatherer<string, readonly string[] | undefined>({
    name: 'devices to push to',
    maxQuestions: USERS_PER_CALL,
    ask: async (userIds) => {
      const { users } = await accounts.callAny('getUserDevices', { userIds: [...new Set(userIds)] }, CALL);
      const found = new Map(users.map(({ userId, deviceIds }) => [userId, deviceIds]));
      return userIds.map((userId) => found.get(userId));
    },
  });
  return { devicesOf: (userId) => asked.ask(userId) };
};

export const createPresenceOfDevices = (
  sessions: Pick<NodePool<typeof SessionServiceService>, 'callOwner'>,
): PresenceOfDevices => ({
  onlineDevicesOf: async (userId) => {
    const { users } = await sessions.callOwner('lookup', { userIds: [userId] }, { ...CALL, key: userId });
    const user = users.find((candidate) => candidate.userId === userId);
    return new Set(user?.sessions.map(({ deviceId }) => deviceId));
  },
});

/** Of one conversation: who has muted it, and until when. */
type MutedMembers = ReadonlyMap<string, number>;

const MUTES_REMEMBERED_MS = 60_000;
const MAX_CONVERSATIONS = 5_000;

/**
 * Who has muted a conversation, remembered for a minute. While `group` doesn't answer nobody has: a push too many is
 * better than one too few.
 */
export const createMutes = (groups: Pick<NodePool<typeof GroupServiceService>, 'readAny'>, logger: Logger): Mutes => {
  const load = async (conversationId: string): Promise<MutedMembers> => {
    const request = { conversationId, minVersion: 0, createPrivate: false };
    const muted = new Map<string, number>();
    for await (const { members } of groups.readAny('getConversation', request, { deadlineMs: CALL.deadlineMs })) {
      for (const { userId, mutedUntilMs } of members) if (mutedUntilMs > 0) muted.set(userId, mutedUntilMs);
    }
    return muted;
  };
  const remembered = new LRUCache<string, MutedMembers>({
    max: MAX_CONVERSATIONS,
    ttl: MUTES_REMEMBERED_MS,
    fetchMethod: load,
  });
  return {
    mutedUntil: async (userId, conversationId) => {
      try {
        return (await remembered.fetch(conversationId))?.get(userId) ?? 0;
      } catch (error) {
        logger.debug({ err: error, conversationId }, 'who has muted a conversation is not known');
        return 0;
      }
    },
  };
};
