import type { MessageStoreServiceService } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { notFound } from '@godwit/rpc/rpc-error';
import type { Handlers } from '@godwit/rpc/server';
import type { ConversationHeads } from '../domain/conversation-heads.js';
import type { HeadCache } from '../domain/head-cache.js';
import type { LogReader } from '../domain/message-log.js';
import { LogHole, readMessages, skippedAt } from '../domain/read-messages.js';
import type { Retention } from '../domain/retention.js';
import { toHead, toReadResponse, toStoredMessage } from './mapping.js';
import { MAX_BATCH, requireConversation, requireCount, requireSeq, requireThat } from './validate.js';

type Methods = Handlers<typeof MessageStoreServiceService>;

export interface ReadHandlerPorts {
  readonly log: LogReader;
  readonly heads: ConversationHeads;
  /** A document above a floor is missing. */
  readonly onHole: (hole: LogHole) => void;
}

const MAX_MESSAGES = 512;
const MAX_CHANGES = 100;
const MAX_HISTORY_DAYS = 3_650;
const MAX_EXPIRY_SECONDS = 365 * 86_400;

export const readHandlers = ({
  log,
  heads,
  onHole,
}: ReadHandlerPorts): Pick<Methods, 'getMessages' | 'getHeads' | 'getMessageState' | 'getMembershipLog'> => ({
  getMessages: async (request) => {
    requireConversation(request.conversationId);
    requireSeq(request.afterSeq, 'after_seq');
    requireSeq(request.beforeSeq, 'before_seq');
    requireSeq(request.fromMs, 'from_ms');
    requireSeq(request.toMs, 'to_ms');
    requireCount(request.limit, 'limit', { min: 1, max: MAX_MESSAGES });
    try {
      return toReadResponse(await readMessages(log, request));
    } catch (error) {
      if (error instanceof LogHole) onHole(error);
      throw error;
    }
  },

  getHeads: async ({ conversationIds }) => {
    requireCount(conversationIds.length, 'conversation_ids', { max: MAX_BATCH });
    for (const conversationId of conversationIds) requireConversation(conversationId, 'conversation_ids');
    return { heads: (await heads.read(conversationIds)).map(toHead) };
  },

  getMessageState: async ({ conversationId, seq }) => {
    requireConversation(conversationId);
    requireSeq(seq, 'seq');
    const message = await log.message({ conversationId, seq });
    if (message === undefined) {
      const record = await log.conversation(conversationId);
      const isPassedOver = record !== undefined && skippedAt(record, seq) !== undefined;
      return { state: { $case: isPassedOver ? 'passedOver' : 'notFound', value: {} } };
    }
    const { senderUserId, senderDeviceId, serverTimeMs, kind, expiresAtMs, envelope, gone } = message;
    const found = { senderUserId, senderDeviceId, serverTimeMs, kind, expiresAtMs };
    const payloadGone = envelope === undefined;
    return { state: { $case: 'found', value: { ...found, payloadGone, goneReason: gone ?? 0 } } };
  },

  getMembershipLog: async ({ conversationId, afterVersion, limit }) => {
    requireConversation(conversationId);
    requireSeq(afterVersion, 'after_version');
    requireCount(limit, 'limit', { min: 1, max: MAX_CHANGES });
    // The log first: the version that is told is then at least that of the last message.
    const found = await log.membershipAfter({ conversationId, seq: afterVersion }, limit + 1);
    const [head] = await heads.read([conversationId]);
    return {
      messages: found.slice(0, limit).map(toStoredMessage),
      membershipVersion: head?.membershipVersion ?? 0,
      more: found.length > limit,
    };
  },
});

export interface RetentionPorts {
  readonly heads: ConversationHeads;
  readonly cache: HeadCache;
  readonly setRetention: (conversationId: string, retention: Retention) => Promise<void>;
}

export const retentionHandlers = ({ heads, cache, setRetention }: RetentionPorts): Pick<Methods, 'setRetention'> => ({
  setRetention: async ({ conversationId, historyDays, expireAfterSeconds }) => {
    requireConversation(conversationId);
    requireThat(historyDays <= MAX_HISTORY_DAYS, 'history_days', `is more than ${MAX_HISTORY_DAYS}`);
    requireThat(expireAfterSeconds <= MAX_EXPIRY_SECONDS, 'expire_after_seconds', 'is more than a year');
    const [head] = await heads.read([conversationId]);
    if (head === undefined) throw notFound('CONVERSATION_NOT_FOUND', 'nothing was ever stored in this conversation');
    const retention = { historyDays, expireAfterSeconds };
    await setRetention(conversationId, retention);
    cache.setRetention(conversationId, retention);
    return {};
  },
});
