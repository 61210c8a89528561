import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GodwitClient } from '../src/client.js';
import type { ClientOptions } from '../src/client-options.js';
import { NoAnswerError, RefusedError } from '../src/errors.js';
import { fileStorage } from '../src/file-storage.js';
import { textOf, type Message } from '../src/message.js';
import { nodeSocket } from '../src/node-socket.js';
import { memoryStorage } from '../src/storage.js';
import { fixedToken } from '../src/tokens.js';
import { FakeEdge, until } from './fake-edge.js';

const CHAT = 'g:chat';
let edge: FakeEdge;
const open: GodwitClient[] = [];

beforeEach(async () => {
  edge = await FakeEdge.start();
});
const closeAll = async (): Promise<void> => {
  await Promise.all(open.splice(0).map((client) => client.close()));
};
afterEach(async () => {
  await closeAll();
  await edge.stop();
});

interface Watched {
  readonly client: GodwitClient;
  readonly texts: string[];
  readonly problems: Error[];
}

function newClient(options: Partial<ClientOptions> = {}): Watched {
  const client = new GodwitClient({
    edges: [edge.address],
    tokens: fixedToken('phone'),
    socket: nodeSocket,
    ...options,
  });
  open.push(client);
  const watched: Watched = { client, texts: [], problems: [] };
  client.on('message', (message) => watched.texts.push(textOf(message) ?? message.kind));
  client.on('problem', (problem) => watched.problems.push(problem));
  return watched;
}

const cursorsOfLastHello = (): Record<string, number> => {
  const hello = edge.frames.map(({ body }) => body).findLast((body) => body.case === 'hello');
  if (hello?.case !== 'hello') return {};
  return Object.fromEntries(hello.value.cursors.map(({ conversationId, seq }) => [conversationId, Number(seq)]));
};

describe('a client', () => {
  it('connects, shows what it missed and what comes, sends, and acks after it has stored', async () => {
    edge.append(CHAT, 'missed');
    const storage = memoryStorage();
    const { client, texts } = newClient({ storage });
    await client.connect();
    expect(client.state).toBe('online');
    expect(texts).toEqual(['missed']);
    const sent = await client.send(CHAT, { text: 'mine' });
    expect(sent).toMatchObject({ conversationId: CHAT, seq: 2 });
    expect(client.seen(CHAT)).toBe(2);
    edge.append(CHAT, 'live');
    await until(() => texts.length === 2, 'the live message');
    await until(() => edge.acked.get(CHAT) === 3, 'the ack');
    expect(await storage.entries('seen/')).toEqual([[`seen/${CHAT}`, new TextEncoder().encode('3')]]);
    expect(await storage.entries('out/')).toEqual([]);
    expect(texts).toEqual(['missed', 'live']);
  });

  it('resumes after a broken connection: nothing lost, nothing twice', async () => {
    const { client, texts } = newClient();
    await client.connect();
    edge.append(CHAT, '1');
    await until(() => texts.length === 1);
    edge.cut();
    edge.append(CHAT, '2');
    edge.append(CHAT, '3');
    await until(() => texts.length === 3, 'the messages of the meantime');
    expect(cursorsOfLastHello()).toEqual({ [CHAT]: 1 });
    edge.append(CHAT, '4');
    await until(() => texts.length === 4);
    expect(texts).toEqual(['1', '2', '3', '4']);
  });

  it('repeats a send whose ack was lost, and takes the first ack', async () => {
    const { client } = newClient();
    await client.connect();
    let tries = 0;
    edge.onSend = () => ((tries += 1) === 1 ? 'store-silently' : 'store');
    const sent = client.send(CHAT, { text: 'once' });
    await until(() => edge.head(CHAT) === 1, 'stored');
    edge.cut();
    expect((await sent).seq).toBe(1);
    expect(edge.texts(CHAT)).toEqual(['once']);
  });

  it('a message that comes back by itself counts as its ack, and is not shown to its sender', async () => {
    const { client, texts } = newClient();
    const acked: number[] = [];
    client.on('sent', ({ seq }) => acked.push(seq));
    await client.connect();
    edge.onSend = (send) => (send.retry ? 'drop' : 'store-silently');
    const sent = client.send(CHAT, { text: 'once' });
    await until(() => edge.head(CHAT) === 1, 'stored');
    edge.cut();
    expect((await sent).seq).toBe(1);
    expect(acked).toEqual([1]);
    expect(texts).toEqual([]);
    expect(client.unsent).toBe(0);
  });

  it('asks for what was lost on the way, page by page, and keeps the order', async () => {
    const { client, texts } = newClient();
    await client.connect();
    for (const seq of [2, 3, 4, 5, 6, 7, 8]) edge.lost.add(seq);
    for (let i = 1; i <= 9; i += 1) edge.append(CHAT, String(i));
    await until(() => texts.length === 9, 'the hole filled');
    expect(texts).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(edge.frames.filter(({ body }) => body.case === 'fetch')).toHaveLength(3);
  });

  it('counts gone messages as seen, and tells of them', async () => {
    const { client, texts } = newClient();
    const gone: number[] = [];
    client.on('gone', ({ fromSeq, toSeq }) => gone.push(fromSeq, toSeq));
    await client.connect();
    edge.lost.add(1).add(2);
    for (let i = 1; i <= 3; i += 1) edge.append(CHAT, String(i));
    edge.say({ case: 'gone', value: { conversationId: CHAT, fromSeq: 1n, toSeq: 2n, reason: 1 } });
    await until(() => texts.length === 1);
    expect(gone).toEqual([1, 2]);
    expect(client.seen(CHAT)).toBe(3);
  });

  it('a handler that throws costs neither the next message nor the next handler', async () => {
    const { client, texts, problems } = newClient();
    client.on('message', () => {
      throw new Error('a bug of the app');
    });
    const later: number[] = [];
    client.on('message', ({ seq }) => later.push(seq));
    await client.connect();
    edge.lost.add(1);
    for (let i = 1; i <= 3; i += 1) edge.append(CHAT, String(i));
    await until(() => texts.length === 3);
    expect(later).toEqual([1, 2, 3]);
    expect(problems.map(({ message }) => message)).toContain('a bug of the app');
    expect(client.state).toBe('online');
  });

  it('a refusal ends a send with its reason, and the next goes on', async () => {
    const { client } = newClient();
    await client.connect();
    edge.onSend = ({ clientMessageId }) =>
      clientMessageId === 'bad' ? { case: 'error', value: { reason: 'NOT_A_MEMBER', message: 'no' } } : 'store';
    const bad = client.send(CHAT, { text: 'x', clientMessageId: 'bad' });
    const good = client.send(CHAT, { text: 'y' });
    await expect(bad).rejects.toMatchObject({ name: 'RefusedError', reason: 'NOT_A_MEMBER' });
    expect((await good).seq).toBe(1);
  });

  it('does not put a frame on the wire that would cost the socket', async () => {
    const { client } = newClient();
    await client.connect();
    const large = client.send(CHAT, { text: 'x'.repeat(70_000) });
    await expect(large).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(client.call('addMembers', { conversationId: CHAT, userIds: ['x'.repeat(70_000)] })).rejects.toThrow(
      RefusedError,
    );
    await client.send(CHAT, { text: 'small' });
    expect(edge.upgrades).toHaveLength(1);
  });

  it('sends in the order of the calls, also those from before it was connected', async () => {
    const { client } = newClient();
    const sent = ['1', '2', '3'].map((text) => client.send(CHAT, { text }));
    await client.connect();
    sent.push(client.send(CHAT, { text: '4' }));
    await Promise.all(sent);
    expect(edge.texts(CHAT)).toEqual(['1', '2', '3', '4']);
  });

  it('serves hundreds of conversations, and acks them in frames of 500', async () => {
    for (let i = 0; i < 1_200; i += 1) edge.append(`g:${String(i)}`, 'x');
    const { client, texts } = newClient();
    await client.connect();
    expect(texts).toHaveLength(1_200);
    await until(() => edge.acked.size === 1_200, 'all acked');
    const acks = edge.frames.flatMap(({ body }) => (body.case === 'ack' ? [body.value.cursors.length] : []));
    expect(Math.max(...acks)).toBe(500);
    edge.append('g:0', 'y');
    await until(() => texts.length === 1_201);
    edge.cut();
    await until(() => client.state !== 'online', 'noticed');
    await until(() => client.state === 'online', 'again online');
    const cursors = cursorsOfLastHello();
    expect(Object.keys(cursors)).toHaveLength(500);
    expect(cursors['g:0']).toBe(2);
    expect(texts).toHaveLength(1_201);
  });

  it('reads, calls, fetches and subscribes; subscriptions are said again on the next socket', async () => {
    const { client } = newClient();
    await client.subscribe({ userIds: ['carol'] });
    await client.connect();
    await client.subscribe({ userIds: ['bob'], conversationIds: [CHAT] });
    client.read(CHAT, 1);
    client.read(CHAT, 3);
    client.read(CHAT, 2);
    expect((await client.call('getProfile', {})).profile?.userId).toBe('alice');
    await until(() => edge.frames.some(({ body }) => body.case === 'read'), 'read');
    const read = edge.frames.flatMap(({ body }) => (body.case === 'read' ? body.value.cursors : []));
    expect(read.map(({ seq }) => seq)).toEqual([3n]);
    edge.frames.length = 0;
    edge.cut();
    await until(() => client.state === 'online' && edge.frames.length > 1, 'again online');
    const topics = edge.frames.flatMap(({ body }) => (body.case === 'presenceSubscribe' ? [body.value] : []));
    expect(topics.flatMap(({ userIds }) => userIds)).toEqual(['carol', 'bob']);
    expect(topics.flatMap(({ conversationIds }) => conversationIds)).toEqual([CHAT]);
  });

  it('fails a call that is open when the connection breaks', async () => {
    const { client } = newClient();
    await client.connect();
    const call = client.call('getProfile', {});
    client.reconnect();
    await expect(call).rejects.toThrow(NoAnswerError);
  });
});

describe('storeMessage', () => {
  it('holds back event, cursor and ack until the app has stored the message, in order', async () => {
    const stored: string[] = [];
    let release: (() => void) | undefined;
    const { client, texts } = newClient({
      storeMessage: async (message: Message) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        stored.push(textOf(message) ?? '');
      },
    });
    await client.connect();
    edge.append(CHAT, '1');
    edge.append(CHAT, '2');
    await until(() => release !== undefined, 'asked to store');
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(texts).toEqual([]);
    expect(edge.acked.get(CHAT)).toBeUndefined();
    release?.();
    await until(() => edge.acked.get(CHAT) === 1, 'the first ack');
    expect(texts).toEqual(['1']);
    release?.();
    await until(() => edge.acked.get(CHAT) === 2, 'the second ack');
    expect(stored).toEqual(['1', '2']);
  });

  it('is tried again when it fails; after a reconnect in between the message is not shown twice', async () => {
    let tries = 0;
    const { client, texts, problems } = newClient({
      storeMessage: () => ((tries += 1) === 1 ? Promise.reject(new Error('disk full')) : Promise.resolve()),
    });
    await client.connect();
    edge.append(CHAT, '1');
    await until(() => problems.length === 1, 'the failure');
    edge.cut();
    await until(() => edge.acked.get(CHAT) === 1, 'the ack');
    expect(cursorsOfLastHello()).toEqual({ [CHAT]: 0 });
    expect(texts).toEqual(['1']);
    expect(tries).toBe(2);
  });
});

describe('restart and end', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'godwit-client-'));
  });
  afterEach(async () => {
    await closeAll();
    await rm(folder, { recursive: true });
  });

  it('sends after a restart what waited before, before what is new, and shows nothing twice', async () => {
    const path = join(folder, 'state');
    edge.append(CHAT, 'old');
    const first = newClient({ storage: await fileStorage(path) });
    await first.client.connect();
    edge.onSend = () => 'drop';
    const waiting = first.client.send(CHAT, { text: 'from before' });
    const second = first.client.send(CHAT, { text: 'second' });
    const rejected = Promise.all([
      expect(waiting).rejects.toThrow('in its outbox'),
      expect(second).rejects.toThrow(NoAnswerError),
    ]);
    await until(() => edge.frames.some(({ body }) => body.case === 'send'), 'on the wire');
    await first.client.close();
    await rejected;
    edge.onSend = () => 'store';
    const again = newClient({ storage: await fileStorage(path) });
    const settled: number[] = [];
    again.client.on('sent', ({ seq }) => settled.push(seq));
    // A send before connect must not take the place of what is in the outbox.
    const fresh = again.client.send(CHAT, { text: 'new' });
    await again.client.connect();
    await fresh;
    expect(edge.texts(CHAT)).toEqual(['old', 'from before', 'second', 'new']);
    expect(settled).toEqual([2, 3, 4]);
    expect(again.texts).toEqual([]);
  });

  it('tells of a message from before a restart that is refused', async () => {
    const path = join(folder, 'state');
    const first = newClient({ storage: await fileStorage(path) });
    const offline = first.client.send(CHAT, { text: 'x', clientMessageId: 'm1' });
    const rejected = expect(offline).rejects.toThrow();
    await until(() => first.client.unsent === 1);
    await first.client.close();
    await rejected;
    edge.onSend = () => ({ case: 'error', value: { reason: 'BLOCKED', message: '' } });
    const { client } = newClient({ storage: await fileStorage(path) });
    const unsent: unknown[] = [];
    client.on('unsent', (one) => unsent.push(one));
    await client.connect();
    await until(() => unsent.length === 1);
    expect(unsent).toMatchObject([{ conversationId: CHAT, clientMessageId: 'm1', error: { reason: 'BLOCKED' } }]);
  });

  it('close acks what was seen, and is final', async () => {
    const { client, texts } = newClient();
    await client.connect();
    edge.append(CHAT, '1');
    await until(() => texts.length === 1);
    await client.close();
    await until(() => edge.acked.get(CHAT) === 1 && edge.connections === 0, 'acked and closed');
    await expect(client.connect()).rejects.toThrow('has ended');
    await expect(client.send(CHAT, { text: 'x' })).rejects.toThrow(NoAnswerError);
  });

  it('stays away when a newer socket of its device takes over (4409), and stores nothing more', async () => {
    const storage = memoryStorage();
    const { client } = newClient({ storage });
    const ends: string[] = [];
    client.on('ended', (reason) => ends.push(reason));
    await client.connect();
    edge.onSend = () => 'drop';
    const waiting = expect(client.send(CHAT, { text: 'x' })).rejects.toThrow('replaced');
    await until(() => edge.frames.some(({ body }) => body.case === 'send'));
    edge.append(CHAT, 'seen by the newer one');
    edge.closeAll(4409);
    await until(() => ends.length === 1);
    await waiting;
    expect(ends).toEqual(['replaced']);
    expect(edge.upgrades).toHaveLength(1);
    expect(await storage.entries('seen/')).toEqual([]);
    expect(await storage.entries('out/')).toHaveLength(1);
  });

  it('ends when its token is refused and no other is to be had', async () => {
    edge.allowed = new Set();
    const { client } = newClient();
    await expect(client.connect()).rejects.toThrow('signed-out');
    expect(edge.upgrades).toHaveLength(1);
  });
});
