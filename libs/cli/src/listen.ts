import { once } from 'node:events';
import type { GodwitClient } from '@godwit/client/client';
import { GoneReason } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { connect, endedError } from './connect.js';
import { Names } from './names.js';
import type { Output } from './output.js';
import { plainText } from './plain.js';
import { renderMessage } from './render.js';
import type { Session } from './session.js';

/** Prints what arrives, in order, until Ctrl-C or so many messages. */
export async function runListen(session: Session, count: number): Promise<void> {
  const client = await session.client();
  const names = new Names(session);
  const { output } = session;
  const stop = new AbortController();
  let left = count;
  let tail: Promise<void> = Promise.resolve();
  client.on('message', (message) => {
    if (left <= 0) return;
    left -= 1;
    const last = left <= 0;
    // Names are looked up one after the other, so that lines keep their order.
    tail = tail.then(async () => {
      output.result(
        { event: 'message', ...plainText(message) },
        output.json ? '' : await renderMessage(message, names),
      );
      if (last) stop.abort();
    });
    tail.catch((error: unknown) => {
      stop.abort(error);
    });
  });
  if (output.json) printEvents(client, output);
  else {
    client.on('state', ({ state, detail }) => {
      if (state !== 'ended') output.note(`${state}: ${detail}`);
    });
  }
  client.on('ended', (reason) => {
    const error = endedError(reason);
    if (error !== undefined) stop.abort(error);
  });
  const interrupted = (): void => {
    stop.abort();
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  await connect(client);
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  await tail.catch(() => undefined);
  await client.close();
  const cause: unknown = stop.signal.reason;
  if (!(cause instanceof DOMException)) throw cause;
}

/** Every event but messages, a line each, for programs. */
export function printEvents(client: GodwitClient, output: Output): void {
  for (const event of ['receipt', 'presence', 'typing', 'state', 'sent'] as const) {
    client.on(event, (value) => {
      output.result({ event, ...value }, '');
    });
  }
  client.on('gone', ({ reason, ...range }) => {
    output.result({ event: 'gone', ...range, reason: GoneReason[reason].toLowerCase() }, '');
  });
  client.on('unsent', ({ error, ...place }) => {
    output.result({ event: 'unsent', ...place, error: error.message }, '');
  });
}
