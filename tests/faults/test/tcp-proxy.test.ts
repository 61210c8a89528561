import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TcpProxy } from '../src/world/tcp-proxy.js';

let server: Server;
let proxy: TcpProxy;
let heard: string;
let answers: string;
let client: Socket;

beforeEach(async () => {
  heard = answers = '';
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk.toString();
      socket.write(chunk.toString().toUpperCase());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  proxy = await TcpProxy.start({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  client = await opened();
});

afterEach(async () => {
  client.destroy();
  await proxy.close();
  server.close();
});

async function opened(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    answers += chunk.toString();
  });
  await once(socket, 'connect');
  return socket;
}

/** Whether by a reset or not. */
async function untilClosed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
}

async function untilAnswered(text: string): Promise<void> {
  for (let waited = 0; answers !== text && waited < 2_000; waited += 10) await delay(10);
  expect(answers).toBe(text);
}

it('passes both ways while it is open', async () => {
  client.write('a');
  await untilAnswered('A');
});

it('holds everything, and lets it go in order', async () => {
  proxy.mode = 'held';
  client.write('a');
  await delay(100);
  client.write('b');
  await delay(100);
  expect(heard).toBe('');
  proxy.mode = 'open';
  await untilAnswered('AB');
});

it('holds answers only', async () => {
  proxy.mode = 'one-way';
  client.write('a');
  await delay(150);
  expect(heard).toBe('a');
  expect(answers).toBe('');
  proxy.mode = 'open';
  await untilAnswered('A');
});

it('is late, and keeps the order when it is so no more', async () => {
  proxy.mode = 'slow';
  client.write('a');
  await delay(20);
  proxy.mode = 'open';
  client.write('b');
  await delay(50);
  expect(answers).toBe('');
  await untilAnswered('AB');
});

it('breaks and refuses', async () => {
  const closed = untilClosed(client);
  proxy.mode = 'cut';
  await closed;
  const again = connect(proxy.port, '127.0.0.1');
  again.on('error', () => undefined);
  await untilClosed(again);
  proxy.mode = 'open';
  client = await opened();
  client.write('c');
  await untilAnswered('C');
});

it('throws answers away, then breaks', async () => {
  proxy.mode = 'dropped';
  client.write('a');
  await delay(100);
  const closed = untilClosed(client);
  proxy.mode = 'open';
  await closed;
  expect(heard).toBe('a');
  expect(answers).toBe('');
});
