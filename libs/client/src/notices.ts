import type { ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { Events } from './events.js';

/** What the server says by itself beside messages: receipts, what is gone, presence, typing. */
export function emitNotice(events: Events, { body }: ServerFrame): void {
  switch (body.case) {
    case 'receipt':
      events.emit('receipt', {
        conversationId: body.value.conversationId,
        userId: body.value.userId,
        deliveredSeq: Number(body.value.deliveredSeq),
        readSeq: Number(body.value.readSeq),
        expiredSeq: Number(body.value.expiredSeq),
      });
      return;
    case 'gone': {
      const { conversationId, fromSeq, toSeq, reason } = body.value;
      events.emit('gone', { conversationId, fromSeq: Number(fromSeq), toSeq: Number(toSeq), reason });
      return;
    }
    case 'presence': {
      const { userId, online, lastSeenMs } = body.value;
      events.emit('presence', { userId, online, lastSeenMs: Number(lastSeenMs) });
      return;
    }
    case 'typing': {
      const { conversationId, userId, stopped } = body.value;
      events.emit('typing', { conversationId, userId, stopped });
      return;
    }
    default:
    // Late answers, and what a newer server says that this client does not know.
  }
}
