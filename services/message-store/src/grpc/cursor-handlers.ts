import type { MessageStoreServiceService } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { resourceExhausted } from '@godwit/rpc/rpc-error';
import type { Handlers } from '@godwit/rpc/server';
import type { ConversationHeads } from '../domain/conversation-heads.js';
import type { CursorStore, MemberKey } from '../domain/cursors.js';
import { TooManyRaises, type CursorRaiser } from '../domain/raise-cursors.js';
import { startCursors, type CursorsRequest } from '../domain/start-cursors.js';
import { toMark, toMemberCursors, toMove } from './mapping.js';
import {
  MAX_BATCH,
  requireConversation,
  requireCount,
  requireDevice,
  requireSeq,
  requireThat,
  requireUser,
} from './validate.js';

type Methods = Handlers<typeof MessageStoreServiceService>;

export interface CursorHandlerPorts {
  readonly store: CursorStore;
  readonly heads: ConversationHeads;
  readonly raiser: CursorRaiser;
}

const RETRY_AFTER_MS = 500;

export const cursorHandlers = ({
  store,
  heads,
  raiser,
}: CursorHandlerPorts): Pick<
  Methods,
  'raiseCursors' | 'getCursors' | 'getCursorsOfDevices' | 'getMarks' | 'getMemberCursors'
> => ({
  raiseCursors: async ({ raises }) => {
    requireCount(raises.length, 'raises', { max: MAX_BATCH });
    for (const raise of raises) {
      requireConversation(raise.conversationId, 'raises.conversation_id');
      requireUser(raise.userId, 'raises.user_id');
      // A user reads; only a device has.
      if (raise.deliveredSeq > 0 || raise.deviceId !== '') requireDevice(raise.deviceId, 'raises.device_id');
      requireSeq(raise.deliveredSeq, 'raises.delivered_seq');
      requireSeq(raise.readSeq, 'raises.read_seq');
    }
    try {
      const { moves, aboveHead } = await raiser.raise(raises);
      return { moves: moves.map(toMove), aboveHead: [...aboveHead] };
    } catch (error) {
      if (!(error instanceof TooManyRaises)) throw error;
      throw resourceExhausted('OVERLOADED', 'too many cursors wait to be written', RETRY_AFTER_MS);
    }
  },

  getCursors: async (request) => {
    requireCursors(request);
    const [cursors = []] = await startCursors({ store, heads }, [request]);
    return { cursors };
  },

  getCursorsOfDevices: async ({ devices }) => {
    const asked = devices.reduce((sum, { conversations }) => sum + conversations.length, 0);
    requireCount(Math.max(devices.length, asked), 'devices', { max: MAX_BATCH });
    for (const device of devices) requireCursors(device);
    const found = await startCursors({ store, heads }, devices);
    return { devices: found.map((cursors) => ({ cursors })) };
  },

  getMemberCursors: memberCursors(store),

  getMarks: async ({ conversationIds, userIds, changedSinceMs, pageSize, pageToken }) => {
    requireCount(conversationIds.length, 'conversation_ids', { min: 1, max: MAX_BATCH });
    for (const conversationId of conversationIds) requireConversation(conversationId, 'conversation_ids');
    requireCount(userIds.length, 'user_ids', { max: MAX_BATCH });
    for (const userId of userIds) requireUser(userId, 'user_ids');
    requireSeq(changedSinceMs, 'changed_since_ms');
    requireCount(pageSize, 'page_size', { max: MAX_BATCH });
    const size = pageSize === 0 ? MAX_BATCH : pageSize;
    const after = readPageToken(pageToken);
    // One more than asked tells whether there is another page.
    const marks = await store.marks({ conversationIds, userIds, changedSinceMs, pageSize: size + 1, after });
    const page = marks.slice(0, size);
    const last = page.at(-1);
    return {
      marks: page.map(toMark),
      nextPageToken: marks.length > size && last !== undefined ? pageTokenOf(last) : '',
    };
  },
});

const memberCursors =
  (store: CursorStore): Methods['getMemberCursors'] =>
  async ({ conversationId, userIds }) => {
    requireConversation(conversationId);
    requireCount(userIds.length, 'user_ids', { min: 1, max: MAX_BATCH });
    for (const userId of userIds) requireUser(userId, 'user_ids');
    return { members: (await store.cursorsIn(conversationId, userIds)).map(toMemberCursors) };
  };

const requireCursors = ({ userId, deviceId, deviceSinceMs, conversations }: CursorsRequest): void => {
  requireUser(userId);
  requireDevice(deviceId);
  requireSeq(deviceSinceMs, 'device_since_ms');
  requireCount(conversations.length, 'conversations', { max: MAX_BATCH });
  for (const { conversationId, startSeq } of conversations) {
    requireConversation(conversationId, 'conversations.conversation_id');
    requireSeq(startSeq, 'conversations.start_seq');
  }
};

const pageTokenOf = ({ conversationId, userId }: MemberKey): string => `${conversationId} ${userId}`;

const readPageToken = (token: string): MemberKey | undefined => {
  if (token === '') return undefined;
  const [conversationId = '', userId = '', ...rest] = token.split(' ');
  requireThat(rest.length === 0, 'page_token', 'is not one of ours');
  requireConversation(conversationId, 'page_token');
  requireUser(userId, 'page_token');
  return { conversationId, userId };
};
