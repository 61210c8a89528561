import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { sleep } from '@godwit/runtime/backoff';
import type { Socket } from '../src/domain/socket.js';
import { UwsServer } from '../src/uws/uws-server.js';

const HANDSHAKES = 200;
/** The bit by which the server knows a response whose connection is to be closed after it. */
const CONNECTION_CLOSE = 16;

let server: UwsServer<string, Socket> | undefined;
afterEach(() => {
  server?.close();
});

/** Takes the memory that the upgraded response has just given back, and leaves there what must not be read. */
const poison = (): Buffer[] =>
  Array.from({ length: 252 }, (_, index) => Buffer.allocUnsafeSlow(16 + 8 * (index % 63)).fill(CONNECTION_CLOSE));

const serve = async (): Promise<string> => {
  const options = { host: '127.0.0.1', port: 0, webSocketPath: '/', tls: undefined, trustProxy: false };
  const limits = { maxFrameBytes: 1_024, maxBodyBytes: 1_024, maxBackpressureBytes: 65_536, idleTimeoutSeconds: 60 };
  server = new UwsServer<string, Socket>(
    { ...options, ...limits },
    {
      admit: async () => {
        await sleep(1);
        return { ok: true, subprotocol: 'echo', identity: 'somebody' };
      },
      opened: (socket) => {
        poison();
        return socket;
      },
      message: (socket, data, isBinary) => {
        socket.send(isBinary ? data.slice() : Buffer.from(data).toString());
      },
      drained: () => undefined,
      closed: () => undefined,
      request: async ({ body }) => ({ status: 200, headers: {}, body: Buffer.from(body).toString() }),
      failed: (error) => {
        throw error;
      },
    },
  );
  return `ws://127.0.0.1:${String(await server.listen())}/`;
};

it.each(['plain', 'naïve café', '€ 5', '日本語', '🐦'])('sends text as UTF-8: %s', async (text) => {
  const url = await serve();
  const client = new WebSocket(url, ['echo']);
  await once(client, 'open');
  client.send(text);
  const [echo] = (await Promise.race([once(client, 'message'), once(client, 'error')])) as [unknown];
  expect(String(echo)).toBe(text);
  client.terminate();
  const response = await fetch(url.replace('ws', 'http'), { method: 'POST', body: text });
  expect(await response.text()).toBe(text);
});

it('keeps every socket that it has upgraded after an asynchronous admission', async () => {
  const url = await serve();
  for (let index = 0; index < HANDSHAKES; index++) {
    const client = new WebSocket(url, ['echo']);
    await once(client, 'open');
    client.send('hello');
    const [echo] = (await Promise.race([once(client, 'message'), once(client, 'close')])) as [unknown];
    expect(String(echo)).toBe('hello');
    client.terminate();
  }
});
