// How an internal team sends a message over gRPC: the example of docs/api/README.md, run by the fleet's tests.
import { RouterServiceClient, type SendMessageResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { credentials, Metadata } from '@grpc/grpc-js';

export interface TeamMessage {
  /** host:port of any router. */
  readonly address: string;
  /** With the scope `messages`. */
  readonly apiKey: string;
  /** Who sends: a bot's user and device, as `CreateBot` gave them. */
  readonly userId: string;
  readonly deviceId: string;
  /** `p:<userA>:<userB>` or `g:<id>`. */
  readonly to: string;
  readonly text: string;
  /** The same id is never stored twice: keep it, and a job that runs again sends nothing again. */
  readonly clientMessageId: string;
}

const DEADLINE_MS = 5_000;
const TRIES = 3;

/** Sends a text, however often it takes; resolves with the message's place. */
export async function sendAsTeam(message: TeamMessage): Promise<{ seq: number; duplicate: boolean }> {
  const client = new RouterServiceClient(message.address, credentials.createInsecure());
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { outcome } = await sendOnce(client, message, attempt > 1);
        if (outcome?.$case === 'ack') return { seq: outcome.value.seq, duplicate: outcome.value.duplicate };
        // What the message itself is refused for is part of the answer: BLOCKED, NOT_A_MEMBER, ...
        throw new Error(`refused: ${outcome?.value.reason ?? 'no outcome'}: ${outcome?.value.message ?? ''}`);
      } catch (error) {
        // What any call can fail with is a status with a reason: API_KEY_INVALID, INVALID_ARGUMENT and the field, ...
        const wait = errorInfo(error)?.retryAfterMs;
        if (wait === undefined || attempt === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  } finally {
    client.close();
  }
}

function sendOnce(client: RouterServiceClient, message: TeamMessage, retry: boolean): Promise<SendMessageResponse> {
  const metadata = new Metadata();
  metadata.set('x-api-key', message.apiKey);
  metadata.set('godwit-user', message.userId);
  metadata.set('godwit-device', message.deviceId);
  const request = {
    conversationId: message.to,
    clientMessageId: message.clientMessageId,
    metadata: {
      timestampMs: Date.now(),
      kind: Kind.KIND_TEXT,
      targetSeq: 0,
      mediaIds: [],
      expiresAtMs: 0,
      clientMessageId: '',
    },
    payload: { content: { $case: 'text' as const, value: { text: message.text } } },
    retry,
  };
  return new Promise((resolve, reject) => {
    client.sendMessage(request, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
