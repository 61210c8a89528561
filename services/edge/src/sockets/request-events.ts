import { isFault } from '@godwit/tracing/spans';
import type { Connection } from '../domain/connection.js';
import type { Outbox } from '../domain/outbox.js';
import type { RouterRequestEvents } from '../links/router-requests.js';
import type { EdgeObserver } from '../observer.js';
import { fetchResultFrame, serverFrame } from '../wire/server-frame.js';
import { errorFrame } from './replies.js';

const oneLessUnacked = (connection: Connection): void => {
  connection.unackedSends -= 1;
};

/** Tells sockets what became of their sends and fetches. */
export const requestEvents = (outbox: Outbox, observer: EdgeObserver): RouterRequestEvents => ({
  onStored: ({ connection, requestId, item, span }, { seq, serverTimeMs, duplicate }, milliseconds) => {
    const { conversationId, clientMessageId } = item;
    oneLessUnacked(connection);
    // The ack counts as the delivery to the device that sent it.
    connection.positions?.handed(conversationId, seq);
    observer.sent(milliseconds, span);
    span?.end({ 'godwit.conversation_id': conversationId, 'godwit.seq': seq, 'godwit.outcome': 'stored' });
    const value = { conversationId, clientMessageId, seq, serverTimeMs, duplicate };
    outbox.add(connection, serverFrame({ $case: 'sendAck', value }, requestId));
  },
  onFetched: ({ connection, requestId }, result) => {
    outbox.add(connection, fetchResultFrame(result, requestId));
  },
  onRefused: (request, { reason, message, field, retryAfterMs, stored }) => {
    const { connection, requestId } = request;
    observer.refused(reason);
    const refusal = { reason, message, field, retryAfterMs };
    if (request.kind === 'fetch') {
      outbox.add(connection, errorFrame(refusal, requestId));
      return;
    }
    oneLessUnacked(connection);
    const { conversationId, clientMessageId } = request.item;
    const end = isFault(reason) ? 'fail' : 'end';
    request.span?.[end]({ 'godwit.conversation_id': conversationId, 'godwit.outcome': reason });
    outbox.add(connection, errorFrame(refusal, requestId, { conversationId, clientMessageId, stored }));
  },
});
