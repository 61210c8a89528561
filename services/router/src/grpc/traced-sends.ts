import { isFault, isTracing, startSpan } from '@godwit/tracing/spans';
import type { Ingress } from '../domain/ingress.js';

/** Where messages come in. */
export type Sends = Pick<Ingress, 'send'>;

/** The same, with a span for every message; where this process does not trace, the very same. */
export const tracedSends = (ingress: Sends): Sends => {
  if (!isTracing()) return ingress;
  return {
    send: (command, reply) => {
      const span = startSpan('router.send', command.traceparent);
      ingress.send({ ...command, traceparent: span?.traceparent ?? '' }, (outcome) => {
        const conversation = { 'godwit.conversation_id': command.conversationId };
        if (outcome.type === 'stored') {
          const how = outcome.duplicate ? 'duplicate' : 'stored';
          span?.end({ ...conversation, 'godwit.seq': outcome.seq, 'godwit.outcome': how });
        } else {
          const { reason } = outcome.refusal;
          span?.[isFault(reason) ? 'fail' : 'end']({ ...conversation, 'godwit.outcome': reason });
        }
        reply(outcome);
      });
    },
  };
};
