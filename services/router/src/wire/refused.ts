import type { Error as WireError } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { Refused } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { Refusal } from '../domain/refusal.js';

export const refusedFrom = ({ reason, message, field, retryAfterMs, stored }: Refusal): Refused => ({
  reason,
  message,
  field: field ?? '',
  retryAfterMs: retryAfterMs ?? 0,
  stored:
    stored === undefined
      ? undefined
      : { seq: stored.seq, serverTimeMs: stored.serverTimeMs, bodyHash: bufferOf(stored.bodyHash) },
});

export const errorFrom = (refusal: Refusal, conversationId: string, clientMessageId: string): WireError => ({
  ...refusedFrom(refusal),
  conversationId,
  clientMessageId,
});

/** The generated types say Buffer for bytes. No copy. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
