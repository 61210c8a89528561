import { isClientMessageId, isDeviceId, isId } from '@godwit/ids/id';
import { isConversationId } from '@godwit/ids/conversation';
import { Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { Membership } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { AppendMembershipRequest, AppendMembershipResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { alreadyExists, invalidArgument, unavailable } from '@godwit/rpc/rpc-error';
import type { Clock } from '@godwit/runtime/clock';
import { activeSpan } from '@godwit/tracing/spans';
import type { AppendOutcome } from '../domain/appender.js';
import { KIND } from '../domain/kind.js';
import type { ChangeOfMembers, MembershipChanges } from '../domain/membership-changes.js';
import { encodeMessage } from '../wire/envelope.js';
import { changeFrom } from '../wire/membership.js';

const MAX_ENTRIES = 500;

const idsOf = ({ change }: Membership): readonly string[] => {
  switch (change?.$case) {
    case 'created':
    case 'added':
    case 'roles':
      return change.value.members.map(({ userId }) => userId);
    case 'removed':
      return change.value.userIds;
    case 'group':
      return [];
    case undefined:
      throw invalidArgument('membership.change', 'is missing');
  }
};

const checkRequest = (request: AppendMembershipRequest): Membership => {
  const { conversationId, clientMessageId, actorUserId, actorDeviceId, membership } = request;
  if (!isConversationId(conversationId)) throw invalidArgument('conversation_id', 'is not a conversation id');
  if (!isClientMessageId(clientMessageId)) throw invalidArgument('client_message_id', 'is not a message id');
  if (!isId(actorUserId)) throw invalidArgument('actor_user_id', 'is not a user id');
  if (actorDeviceId !== '' && !isDeviceId(actorDeviceId))
    throw invalidArgument('actor_device_id', 'is not a device id');
  if (membership === undefined) throw invalidArgument('membership', 'is missing');
  const ids = idsOf(membership);
  if (ids.length > MAX_ENTRIES) throw invalidArgument('membership.change', 'has more than 500 entries');
  if (!ids.every(isId)) throw invalidArgument('membership.change', 'names somebody who is not a user id');
  return membership;
};

const changeOf = (request: AppendMembershipRequest, membership: Membership, nowMs: number): ChangeOfMembers => {
  const { conversationId, clientMessageId, actorUserId, actorDeviceId } = request;
  const encoded = encodeMessage({
    userId: actorUserId,
    deviceId: actorDeviceId,
    conversationId,
    clientMessageId,
    timestampMs: nowMs,
    kind: KIND.membership,
    targetSeq: 0,
    mediaIds: [],
    expiresAtMs: 0,
    payload: Payload.encode({ content: { $case: 'membership', value: membership } }).finish(),
  });
  const basedOn = membership.basedOn;
  const change = changeFrom(membership);
  const traceparent = activeSpan()?.traceparent ?? '';
  return { conversationId, clientMessageId, actorUserId, actorDeviceId, basedOn, change, encoded, traceparent };
};

const responseFrom = (outcome: AppendOutcome): AppendMembershipResponse => {
  switch (outcome.type) {
    case 'appended': {
      const { seq, serverTimeMs, duplicate } = outcome;
      return { outcome: { $case: 'stored', value: { seq, serverTimeMs, duplicate } } };
    }
    case 'stale':
      return { outcome: { $case: 'stale', value: { membershipVersion: outcome.membershipVersion } } };
    case 'id-reused':
      throw alreadyExists('CLIENT_MESSAGE_ID_REUSED', 'another change of the actor has this id');
    case 'malformed':
      throw invalidArgument(outcome.field, outcome.problem);
    case 'not-found':
    case 'target-refused':
    case 'unavailable':
      throw unavailable('APPEND_UNAVAILABLE', 'whether it was stored is not known: ask again with the same id');
  }
};

/** Appends a change of members that `group` has decided. */
export const appendMembership =
  (changes: MembershipChanges, clock: Clock) =>
  async (request: AppendMembershipRequest): Promise<AppendMembershipResponse> =>
    responseFrom(await changes.append(changeOf(request, checkRequest(request), clock.now())));
