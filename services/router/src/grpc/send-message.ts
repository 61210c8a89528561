import { isDeviceId, isId } from '@godwit/ids/id';
import { Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { SendMessageRequest, SendMessageResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { SendCommand } from '../domain/content.js';
import type { SendOutcome } from '../domain/ingress.js';
import { errorFrom } from '../wire/refused.js';
import type { Sends } from './traced-sends.js';

const DEVICE_KEY = 'godwit-device';

const commandOf = (request: SendMessageRequest, context: CallContext): SendCommand => {
  const userId = context.requireUser(isId);
  const deviceId = context.metadata(DEVICE_KEY) ?? '';
  if (deviceId !== '' && !isDeviceId(deviceId)) throw invalidArgument(DEVICE_KEY, 'is not a device id');
  const { metadata, payload } = request;
  if (metadata === undefined) throw invalidArgument('metadata', 'is missing');
  if (payload?.content === undefined) throw invalidArgument('payload', 'is missing');
  return {
    userId,
    deviceId,
    conversationId: request.conversationId,
    clientMessageId: request.clientMessageId,
    timestampMs: metadata.timestampMs,
    kind: metadata.kind,
    targetSeq: metadata.targetSeq,
    mediaIds: metadata.mediaIds,
    expiresAtMs: metadata.expiresAtMs,
    payload: Payload.encode(payload).finish(),
    content: payload.content,
    retry: request.retry,
    traceparent: '',
  };
};

/** Sends a message as the acting user. What the message itself is refused for is an outcome, not a status. */
export const sendMessage =
  (ingress: Sends) =>
  async (request: SendMessageRequest, context: CallContext): Promise<SendMessageResponse> => {
    const command = commandOf(request, context);
    const { conversationId, clientMessageId } = command;
    const outcome = await new Promise<SendOutcome>((resolve) => {
      ingress.send(command, resolve);
    });
    if (outcome.type === 'refused') {
      return { outcome: { $case: 'refused', value: errorFrom(outcome.refusal, conversationId, clientMessageId) } };
    }
    const { seq, serverTimeMs, duplicate } = outcome;
    return { outcome: { $case: 'ack', value: { conversationId, clientMessageId, seq, serverTimeMs, duplicate } } };
  };
