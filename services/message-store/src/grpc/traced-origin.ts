import { startSpan } from '@godwit/tracing/spans';
import type { AppendOrigin, AppendOutcome } from '../domain/message.js';

export interface TracedItem {
  readonly conversationId: string;
  readonly traceparent: string;
}

/** The same origin, with a span from now until the item's answer; where this process does not trace, the very same. */
export const tracedOrigin = (origin: AppendOrigin, { conversationId, traceparent }: TracedItem): AppendOrigin => {
  const span = startSpan('message-store.append', traceparent);
  if (span === undefined) return origin;
  const answered = (outcome: AppendOutcome): void => {
    const attributes = { 'godwit.conversation_id': conversationId, 'godwit.outcome': outcome.kind };
    if (outcome.kind === 'unavailable') span.fail(attributes);
    else span.end('seq' in outcome ? { ...attributes, 'godwit.seq': outcome.seq } : attributes);
  };
  return {
    get router() {
      return origin.router;
    },
    answer: (requestId, outcome) => {
      answered(outcome);
      origin.answer(requestId, outcome);
    },
  };
};
