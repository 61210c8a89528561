import { isId } from '@godwit/ids/id';
import type { LookupRequest, LookupResponse } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { invalidArgument, unavailable } from '@godwit/rpc/rpc-error';
import { NotWarm, type LiveSession, type SessionDirectory } from '../domain/session-directory.js';

const MAX_USERS = 1_000;

/** `Lookup`: the live sessions of up to 1,000 users, in the order asked. */
export const createLookup =
  (directory: SessionDirectory) =>
  async ({ userIds }: LookupRequest): Promise<LookupResponse> => {
    if (userIds.length > MAX_USERS) throw invalidArgument('user_ids', `at most ${String(MAX_USERS)} users`, 'TOO_MANY');
    const bad = userIds.findIndex((userId) => !isId(userId));
    if (bad >= 0) throw invalidArgument(`user_ids[${String(bad)}]`, 'is not a user id');
    const found = await lookup(directory, userIds);
    return {
      users: userIds.map((userId, index) => ({ userId, sessions: (found[index] ?? []).map(toMessage) })),
    };
  };

const lookup = async (directory: SessionDirectory, userIds: readonly string[]) => {
  try {
    return await directory.lookup(userIds);
  } catch (error) {
    if (error instanceof NotWarm) throw unavailable('NOT_WARM', 'this replica has just started and Redis is away');
    throw error;
  }
};

const toMessage = ({ deviceId, edgeId, incarnation, handle, epoch }: LiveSession) => ({
  deviceId,
  edgeId,
  edgeIncarnation: incarnation,
  handle,
  epoch,
});
