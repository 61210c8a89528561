import { once } from 'node:events';
import { RefusedError } from '@godwit/client/errors';
import { Names } from './names.js';
import { renderMessage } from './render.js';
import type { Session } from './session.js';
import { CliError, EXIT } from './exit.js';

/** Prints what arrives, in order, until Ctrl-C or so many messages. */
export async function runListen(session: Session, count: number): Promise<void> {
  const client = await session.client();
  const names = new Names(session);
  const { output } = session;
  const stop = new AbortController();
  let left = count;
  let tail: Promise<void> = Promise.resolve();
  const fail = (error: unknown): void => {
    stop.abort(error);
  };
  client.on('message', (message) => {
    if (left <= 0) return;
    left -= 1;
    const last = left <= 0;
    // Names are looked up one after the other, so that lines keep their order.
    tail = tail.then(async () => {
      output.result({ event: 'message', ...message }, output.json ? '' : await renderMessage(message, names));
      if (last) stop.abort();
    });
    tail.catch(fail);
  });
  if (output.json) {
    for (const event of ['receipt', 'presence', 'typing', 'gone', 'state', 'sent'] as const) {
      client.on(event, (value) => {
        output.result({ event, ...value }, '');
      });
    }
  } else {
    client.on('state', ({ state, detail }) => {
      output.note(`${state}: ${detail}`);
    });
  }
  client.on('ended', (reason) => {
    if (reason !== 'closed') stop.abort(endedError(reason));
  });
  process.once('SIGINT', () => {
    stop.abort();
  });
  await client.connect();
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  await client.close();
  const cause: unknown = stop.signal.reason;
  if (cause instanceof CliError || cause instanceof RefusedError) throw cause;
}

export function endedError(reason: 'replaced' | 'signed-out'): CliError {
  return reason === 'replaced'
    ? new CliError(EXIT.refused, 'this device was opened elsewhere: one live socket a device')
    : new CliError(EXIT.signedOut, 'this device was signed out');
}
