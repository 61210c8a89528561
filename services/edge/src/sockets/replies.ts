import type { Error as WireError } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { Connection } from '../domain/connection.js';
import type { OutboundFrame } from '../domain/outbound-frame.js';
import type { Refusal } from '../domain/refusal.js';
import { serverFrame, type ServerBody } from '../wire/server-frame.js';

export const reply = (connection: Connection, requestId: number, body: ServerBody): void => {
  connection.send(serverFrame(body, requestId));
};

/** The request was done and has nothing more to say; said only to who asked for an answer. */
export const done = (connection: Connection, requestId: number): void => {
  if (requestId !== 0) reply(connection, requestId, { $case: 'done', value: {} });
};

/** The message that a refused send was about. */
export interface RefusedSend {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly stored?: WireError['stored'];
}

export const wireError = (refusal: Refusal, send?: RefusedSend): WireError => ({
  reason: refusal.reason,
  message: refusal.message,
  field: refusal.field ?? '',
  retryAfterMs: refusal.retryAfterMs ?? 0,
  conversationId: send?.conversationId ?? '',
  clientMessageId: send?.clientMessageId ?? '',
  stored: send?.stored,
});

export const errorFrame = (refusal: Refusal, requestId: number, send?: RefusedSend): OutboundFrame =>
  serverFrame({ $case: 'error', value: wireError(refusal, send) }, requestId);

export const refuse = (connection: Connection, requestId: number, refusal: Refusal): void => {
  connection.send(errorFrame(refusal, requestId));
};
