import type { GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { SyncEvent } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { SyncSink } from '../domain/sync-session.js';
import { bufferOf, errorFrom, refusedFrom } from '../wire/refused.js';
import type { EdgeLink } from './edge-link.js';

/** What a sync finds, as events of its id on the edge's stream. */
export const syncEvents = (link: EdgeLink, syncId: number): SyncSink => {
  const say = (event: NonNullable<SyncEvent['event']>): void => {
    link.syncEvent({ syncId, event });
  };
  return {
    isBacklogged: () => link.isBacklogged,
    position: (conversationId, cursorSeq, headSeq) => {
      say({ $case: 'position', value: { conversationId, cursorSeq, headSeq } });
    },
    message: ({ conversationId, seq, serverTimeMs, envelope }) => {
      say({ $case: 'message', value: { conversationId, seq, serverTimeMs, envelope: bufferOf(envelope) } });
    },
    gone: (conversationId, { fromSeq, toSeq, reason }) => {
      say({ $case: 'gone', value: { conversationId, fromSeq, toSeq, reason: reason as GoneReason } });
    },
    receipt: (mark, expiredSeq) => {
      say({ $case: 'receipt', value: { ...mark, expiredSeq } });
    },
    error: (conversationId, refusal) => {
      say({ $case: 'error', value: errorFrom(refusal, conversationId, '') });
    },
    done: (serverTimeMs) => {
      say({ $case: 'done', value: { serverTimeMs } });
    },
    failed: (refusal) => {
      say({ $case: 'failed', value: refusedFrom(refusal) });
    },
  };
};
