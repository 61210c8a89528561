import type * as wire from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import type { Mark, MarkMove, MemberCursors } from '../domain/cursors.js';
import type { HeadView } from '../domain/conversation-heads.js';
import type { AppendOutcome, LoggedMessage } from '../domain/message.js';
import type { ReadResult } from '../domain/read-messages.js';

// Between what the rules know and what goes over the wire. Appended items need no mapping: the generated type has the
// shape of the domain's, and at this rate an object for each message less is worth that.

/** The bytes as the generated code wants them, without a copy. */
const bytes = (value: Uint8Array): Buffer =>
  Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);

export const toOutcome = (outcome: AppendOutcome, ringVersion: string): wire.AppendOutcome['outcome'] => {
  switch (outcome.kind) {
    case 'appended': {
      const { seq, serverTimeMs, duplicate, membershipVersion } = outcome;
      return { $case: 'appended', value: { seq, serverTimeMs, duplicate, membershipVersion } };
    }
    case 'id-reused': {
      const { seq, serverTimeMs, bodyHash } = outcome;
      return { $case: 'idReused', value: { seq, serverTimeMs, bodyHash: bytes(bodyHash) } };
    }
    case 'stale-membership':
      return { $case: 'staleMembership', value: { membershipVersion: outcome.membershipVersion } };
    case 'not-owner':
      return { $case: 'notOwner', value: { ringVersion } };
    case 'target-refused':
      return { $case: 'targetRefused', value: { reason: outcome.reason } };
    case 'not-found':
      return { $case: 'notFound', value: {} };
    case 'unavailable':
      return { $case: 'unavailable', value: { retryAfterMs: outcome.retryAfterMs } };
  }
};

const NO_BYTES = Buffer.alloc(0);

export const toStoredMessage = (message: LoggedMessage): wire.StoredMessage => ({
  conversationId: message.conversationId,
  seq: message.seq,
  serverTimeMs: message.serverTimeMs,
  senderUserId: message.senderUserId,
  senderDeviceId: message.senderDeviceId,
  kind: message.kind,
  membershipVersion: message.membershipVersion,
  expiresAtMs: message.expiresAtMs,
  envelope: message.envelope === undefined ? NO_BYTES : bytes(message.envelope),
});

export const toReadResponse = (result: ReadResult): wire.GetMessagesResponse => ({
  messages: result.messages.map(toStoredMessage),
  gone: result.gone.map(({ fromSeq, toSeq, reason }) => ({ fromSeq, toSeq, reason })),
  floorSeq: result.floorSeq,
  headSeq: result.headSeq,
  coveredFromSeq: result.coveredFromSeq,
  coveredToSeq: Math.max(result.coveredToSeq, 0),
  more: result.more,
});

export const toHead = (view: HeadView): wire.Head => ({
  conversationId: view.conversationId,
  headSeq: view.seq,
  floorSeq: view.floorSeq,
  membershipVersion: view.membershipVersion,
  expiredSeq: view.expiredSeq,
});

export const toMark = ({ conversationId, userId, deliveredSeq, readSeq }: Mark): wire.Mark => ({
  conversationId,
  userId,
  deliveredSeq,
  readSeq,
});

export const toMemberCursors = ({ userId, delivered, readSeq }: MemberCursors): wire.MemberCursors => ({
  userId,
  devices: Array.from(delivered, ([deviceId, deliveredSeq]) => ({ deviceId, deliveredSeq })),
  readSeq,
});

export const toMove = ({ mark, previousDeliveredSeq, previousReadSeq }: MarkMove): wire.MarkMove => ({
  mark: toMark(mark),
  previousDeliveredSeq,
  previousReadSeq,
});
