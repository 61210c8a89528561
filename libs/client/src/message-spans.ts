import type { Deliver, Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { StartSpan } from '@godwit/tracing/spans';
import { RefusedError } from './errors.js';
import type { Sent } from './outbox.js';

/** Sends within a span that goes along with the message, where the app traces. */
export async function sendTraced(
  startSpan: StartSpan | undefined,
  send: Send,
  sending: () => Promise<Sent>,
): Promise<Sent> {
  const span = startSpan?.('client.send', '');
  if (span === undefined) return sending();
  send.traceparent = span.traceparent;
  const conversation = { 'godwit.conversation_id': send.conversationId };
  try {
    const sent = await sending();
    span.end({ ...conversation, 'godwit.seq': sent.seq, 'godwit.outcome': 'stored' });
    return sent;
  } catch (error) {
    span.fail({ ...conversation, 'godwit.outcome': error instanceof RefusedError ? error.reason : 'NO_ANSWER' });
    throw error;
  }
}

/** Shows a message within a span below that of its delivery. */
export function showTraced(
  startSpan: StartSpan | undefined,
  deliver: Deliver,
  show: () => Promise<void> | undefined,
): Promise<void> | undefined {
  const span = deliver.traceparent === '' ? undefined : startSpan?.('client.receive', deliver.traceparent);
  const shown = show();
  if (span === undefined) return shown;
  const place = { 'godwit.conversation_id': deliver.conversationId, 'godwit.seq': Number(deliver.seq) };
  const end = (): void => {
    span.end(place);
  };
  if (shown === undefined) {
    end();
    return undefined;
  }
  return shown.then(end, (error: unknown) => {
    span.fail({ ...place, 'godwit.outcome': 'NOT_STORED' });
    throw error;
  });
}
