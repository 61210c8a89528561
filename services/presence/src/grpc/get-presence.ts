import { isId } from '@godwit/ids/id';
import type { GetPresenceRequest, GetPresenceResponse } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import { UNKNOWN } from '../domain/presence.js';
import type { PresenceHub } from '../domain/presence-hub.js';
import { toPresence } from './mapping.js';

const MAX_USERS = 100;

/** `GetPresence`: up to 100 users, in the order asked, as the acting user may see them. */
export const createGetPresence =
  (hub: PresenceHub) =>
  async ({ userIds }: GetPresenceRequest, context: CallContext): Promise<GetPresenceResponse> => {
    const viewer = context.requireUser(isId);
    if (userIds.length > MAX_USERS) throw invalidArgument('user_ids', `at most ${String(MAX_USERS)} users`, 'TOO_MANY');
    const bad = userIds.findIndex((userId) => !isId(userId));
    if (bad >= 0) throw invalidArgument(`user_ids[${String(bad)}]`, 'is not a user id');
    const presences = await hub.read(viewer, userIds);
    return { presences: userIds.map((userId, index) => toPresence(userId, presences[index] ?? UNKNOWN)) };
  };
