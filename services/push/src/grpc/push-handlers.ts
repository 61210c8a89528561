import { isId } from '@godwit/ids/id';
import type { PushServiceService } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { DEVICE_KEY } from '@godwit/rpc/authenticate';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { Handlers } from '@godwit/rpc/server';
import { MAX_TOKEN_BYTES } from '../domain/model.js';
import type { OutcomeLog, PushTokens } from '../domain/ports.js';
import { outcomeMessage, readProvider } from './mapping.js';

export interface PushCalls {
  readonly tokens: PushTokens;
  readonly outcomes: OutcomeLog;
}

/** The scope that an API key needs for each. */
export const PUSH_SCOPES = { listPushOutcomes: 'admin' } as const;

const PAGE = { fallback: 50, max: 500 };

const acting = (context: CallContext): { readonly userId: string; readonly deviceId: string } => {
  const userId = context.requireUser(isId);
  const deviceId = context.metadata(DEVICE_KEY);
  if (deviceId === undefined || !isId(deviceId)) {
    throw invalidArgument(DEVICE_KEY, `name the acting device in the metadata ${DEVICE_KEY}`, 'ACTING_DEVICE_REQUIRED');
  }
  return { userId, deviceId };
};

const readToken = (token: string): string => {
  const bytes = Buffer.byteLength(token);
  if (bytes === 0 || bytes > MAX_TOKEN_BYTES) {
    throw invalidArgument('token', `token must be 1 to ${String(MAX_TOKEN_BYTES)} bytes`);
  }
  return token;
};

export const pushHandlers = ({ tokens, outcomes }: PushCalls): Handlers<typeof PushServiceService> => ({
  registerPushToken: async ({ provider, token }, context) => {
    await tokens.put({ ...acting(context), provider: readProvider(provider), token: readToken(token) });
    return {};
  },
  removePushToken: async ({ provider }, context) => {
    const { userId, deviceId } = acting(context);
    await tokens.remove(userId, deviceId, readProvider(provider));
    return {};
  },
  listPushOutcomes: async ({ userId, pageSize }) => {
    if (!isId(userId)) throw invalidArgument('user_id', 'user_id must be an id of 26 characters');
    if (pageSize > PAGE.max) throw invalidArgument('page_size', `page_size must be at most ${String(PAGE.max)}`);
    const found = await outcomes.list(userId, pageSize === 0 ? PAGE.fallback : pageSize);
    return { outcomes: found.map(outcomeMessage) };
  },
});
