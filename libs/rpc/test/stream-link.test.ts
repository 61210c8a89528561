import { afterEach, describe, expect, it } from 'vitest';
import { errorInfo } from '../src/rpc-error.js';
import type { ServerStream } from '../src/server-stream.js';
import type { StreamLink } from '../src/stream-link.js';
import {
  connectEcho,
  startEcho,
  type EchoRequest,
  type EchoResponse,
  type EchoServer,
  type EchoServerOptions,
} from './harness.js';

type Link = StreamLink<EchoResponse, EchoRequest>;
type Stream = ServerStream<EchoRequest, EchoResponse>;

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

const start = async (options?: EchoServerOptions): Promise<EchoServer> => {
  const server = await startEcho('echo-0', options);
  cleanup.push(() => server.life.stop());
  return server;
};

const linked = (server: EchoServer, maxQueued?: number) => {
  const pool = connectEcho([server]);
  const events: string[] = [];
  const frames: string[] = [];
  const reasons: unknown[] = [];
  const link: Link = pool.link('echo-0', 'link', {
    onUp: () => events.push('up'),
    onFrame: ({ text }) => frames.push(text),
    onDown: (reason) => {
      events.push('down');
      reasons.push(reason);
    },
    ...(maxQueued === undefined ? {} : { maxQueued }),
  });
  cleanup.push(() => {
    link.close();
    pool.close();
  });
  return { pool, link, events, frames, reasons };
};

describe('a stream link', () => {
  it('comes up, carries frames in order both ways, and knows its peer', async () => {
    const { link, events, frames } = linked(await start());
    expect(link.send({ text: 'too early' })).toBe(false);
    await expect.poll(() => link.up).toBe(true);
    for (let index = 0; index < 500; index++) expect(link.send({ text: String(index) })).toBe(true);
    await expect.poll(() => frames.length).toBe(500);
    expect(frames).toEqual(Array.from({ length: 500 }, (_, index) => `tester-0: ${String(index)}`));
    expect(events).toEqual(['up']);
  });

  it('says when it breaks, sets the node aside, and comes back by itself', async () => {
    const server = await start();
    const { pool, link, events, frames, reasons } = linked(server);
    await expect.poll(() => link.up).toBe(true);
    await server.life.stop();
    await expect.poll(() => events).toEqual(['up', 'down']);
    expect(errorInfo(reasons[0])?.reason).toBe('DRAINING');
    expect(link.send({ text: 'lost' })).toBe(false);
    expect(pool.nodes.health.isHealthy('echo-0')).toBe(false);
    const again = await startEcho('echo-0', { port: server.port });
    cleanup.push(() => again.life.stop());
    await expect.poll(() => events, { timeout: 6_000 }).toEqual(['up', 'down', 'up']);
    expect(pool.nodes.health.isHealthy('echo-0')).toBe(true);
    expect(link.send({ text: 'hello again' })).toBe(true);
    await expect.poll(() => frames).toEqual(['tester-0: hello again']);
  });

  it('keeps trying while nobody is there, without calling that up or down', async () => {
    const server = await startEcho('echo-0');
    await server.life.stop();
    const { link, events } = linked(server);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([link.up, events]).toEqual([false, []]);
    const late = await startEcho('echo-0', { port: server.port });
    cleanup.push(() => late.life.stop());
    await expect.poll(() => events, { timeout: 6_000 }).toEqual(['up']);
  });

  it('is refused frames when its peer does not read, and goes on when it does', async () => {
    let stream: Stream | undefined;
    let received = 0;
    const server = await start({
      handlers: {
        link: (opened) => {
          stream = opened;
          opened.onFrame(() => received++);
          opened.pause();
        },
      },
    });
    const { link } = linked(server, 10);
    await expect.poll(() => link.up).toBe(true);
    const text = 'x'.repeat(100_000);
    let taken = 0;
    for (let index = 0; index < 2_000; index++) {
      if (!link.send({ text })) break;
      taken++;
      if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBeLessThan(200);
    expect(link.queued).toBe(10);
    stream?.resume();
    await expect.poll(() => received).toBe(taken);
    expect(link.queued).toBe(0);
    expect(link.send({ text: 'room again' })).toBe(true);
  });

  it('lets the server send, refuses it when the client does not read, and tells it of the end', async () => {
    let stream: Stream | undefined;
    let ends = 0;
    const server = await start({
      handlers: {
        link: (opened) => {
          stream = opened;
          opened.onFrame(() => undefined);
          opened.onEnd(() => ends++);
        },
      },
    });
    const { link, frames } = linked(server);
    await expect.poll(() => link.up).toBe(true);
    link.pause();
    const text = 'x'.repeat(100_000);
    let taken = 0;
    while (taken < 5_000 && stream?.send({ text, node: '' }) === true) {
      taken++;
      if (taken % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBeLessThan(1_400);
    link.resume();
    await expect.poll(() => frames.length).toBe(taken);
    link.close();
    await expect.poll(() => ends).toBe(1);
    expect(stream?.send({ text: '', node: '' })).toBe(false);
  });

  it('survives a frame that its handlers choke on', async () => {
    const server = await start({
      handlers: {
        link: (stream) => {
          stream.onFrame(({ text }) => {
            if (text === 'poison') throw new Error('bug');
            stream.send({ text, node: '' });
          });
        },
      },
    });
    const { link, frames, events } = linked(server);
    await expect.poll(() => link.up).toBe(true);
    for (const text of ['a', 'poison', 'b']) link.send({ text });
    await expect.poll(() => frames).toEqual(['a', 'b']);
    expect(events).toEqual(['up']);
  });

  it('starts over when it is told that its peer is frozen', async () => {
    const { link, events } = linked(await start());
    await expect.poll(() => link.up).toBe(true);
    link.reset();
    await expect.poll(() => events, { timeout: 4_000 }).toEqual(['up', 'down', 'up']);
  });

  it('says nothing any more once it is closed', async () => {
    const server = await start();
    const { link, events } = linked(server);
    await expect.poll(() => link.up).toBe(true);
    link.close();
    await server.life.stop();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([link.up, events]).toEqual([false, ['up']]);
  });

  it('delivers what was sent before the server closed it', async () => {
    const server = await start({
      handlers: {
        link: (stream) => {
          stream.onFrame(() => {
            for (let index = 0; index < 300; index++) stream.send({ text: String(index), node: '' });
            stream.close();
          });
        },
      },
    });
    const { link, frames, events } = linked(server);
    await expect.poll(() => link.up).toBe(true);
    link.send({ text: 'go' });
    await expect.poll(() => frames.length).toBe(300);
    await expect.poll(() => events[1]).toBe('down');
  });

  it('is refused without the token', async () => {
    const server = await start();
    const pool = connectEcho([server], ['wrong']);
    const events: string[] = [];
    const link = pool.link('echo-0', 'link', { onFrame: () => undefined, onUp: () => events.push('up') });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([link.up, events]).toEqual([false, []]);
    link.close();
    pool.close();
  });
});
