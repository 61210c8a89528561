import { isId } from '@godwit/ids/id';
import type { Deliver, GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { Envelope } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { GetMessagesRequest, GetMessagesResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import { messageLimit, type History } from '../domain/history.js';
import type { MergedMessages } from '../domain/merged-messages.js';
import type { StoredMessage } from '../domain/ports.js';
import { answering } from './refused-call.js';

export interface GetMessagesOptions {
  readonly history: History;
  readonly merged: MergedMessages;
}

const deliverFrom = ({ conversationId, seq, serverTimeMs, envelope }: StoredMessage): Deliver => ({
  conversationId,
  seq,
  serverTimeMs,
  envelope: Envelope.decode(envelope),
  traceparent: '',
});

/** The token of one conversation is the seq from which to go on. */
const seqOf = (pageToken: string): number => {
  if (pageToken === '') return 0;
  if (!/^\d{1,16}$/.test(pageToken)) throw invalidArgument('page_token', 'is not a token of this call');
  return Number(pageToken);
};

const ofOne = async (history: History, request: GetMessagesRequest, userId: string): Promise<GetMessagesResponse> => {
  const { conversationId, fromMs, toMs, count, newestFirst } = request;
  const at = seqOf(request.pageToken);
  const afterSeq = newestFirst ? request.afterSeq : Math.max(request.afterSeq, at);
  const beforeSeq = newestFirst && at > 0 ? at : request.beforeSeq;
  const query = { userId, conversationId, afterSeq, beforeSeq, fromMs, toMs, limit: count, newestFirst };
  const page = await history.fetch(query);
  const next = newestFirst ? page.coveredFromSeq : page.coveredToSeq;
  return {
    messages: page.messages.map(deliverFrom),
    gone: page.gone.map((range) => ({ conversationId, ...range, reason: range.reason as GoneReason })),
    nextPageToken: page.more ? String(next) : '',
    floorSeq: page.floorSeq,
    headSeq: page.headSeq,
  };
};

/** Messages of one conversation, or merged over all of the acting user's. */
export const getMessages =
  ({ history, merged }: GetMessagesOptions) =>
  (request: GetMessagesRequest, context: CallContext): Promise<GetMessagesResponse> =>
    answering(async () => {
      const userId = context.requireUser(isId);
      if (request.conversationId !== '') return ofOne(history, request, userId);
      if (request.afterSeq !== 0 || request.beforeSeq !== 0) {
        throw invalidArgument('conversation_id', 'seqs are of one conversation: name it');
      }
      const { fromMs, toMs, newestFirst, pageToken } = request;
      const count = messageLimit('count', request.count);
      const page = await merged.read({ userId, fromMs, toMs, count, newestFirst, pageToken });
      return {
        messages: page.messages.map(deliverFrom),
        gone: [],
        nextPageToken: page.nextPageToken,
        floorSeq: 0,
        headSeq: 0,
      };
    });
