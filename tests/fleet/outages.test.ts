import { privateConversation } from '@godwit/ids/conversation';
import type { Server } from '@godwit/local-stack/servers/server';
import { waitFor } from '@godwit/testkit/wait-for';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { ConversationLoad } from './conversation-load.js';
import { device, fleetOfFile, type Watched } from './people.js';

const fleet = fleetOfFile();

interface Chat {
  readonly conversation: string;
  readonly writers: Watched[];
  readonly load: ConversationLoad;
}

async function chat(): Promise<Chat> {
  const [alice, bob] = await fleet().people(2);
  const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
  const writers = [
    await fleet().sdk(device(alice), { edges: [fleet().edge(0)] }),
    await fleet().sdk(device(bob), { edges: [fleet().edge(1)] }),
  ];
  const load = new ConversationLoad(conversation, writers);
  await waitFor(() => load.acked.size > 20, { timeoutMs: 20_000 });
  return { conversation, writers, load };
}

async function checkAll({ conversation, writers, load }: Chat): Promise<void> {
  await load.finish();
  load.checkPlaces();
  for (const [writer, watched] of writers.entries()) {
    const others = load.expected(writer);
    await waitFor(() => watched.texts(conversation).length >= others.length, { timeoutMs: 10_000 });
    expect(watched.texts(conversation)).toEqual(others);
  }
}

/** Messages go on being acked and delivered live, for so long. */
async function chatsOn({ conversation, writers, load }: Chat, forMs: number): Promise<void> {
  const until = Date.now() + forMs;
  while (Date.now() < until) {
    const acked = load.acked.size;
    const shown = writers.map((watched) => watched.texts(conversation).length);
    await waitFor(
      () =>
        load.acked.size > acked + 10 &&
        writers.every((watched, i) => watched.texts(conversation).length > (shown[i] ?? 0)),
      { timeoutMs: 5_000, what: 'the chat goes on' },
    );
  }
}

function own<T extends Server>(server: T | undefined): T {
  if (server === undefined) throw new Error('this test needs a server that the stack started');
  return server;
}

async function flushRedis(url: string): Promise<void> {
  for (const address of url.replace('redis://', '').split(',')) {
    const node = new Redis(`redis://${address}`);
    await node.flushall();
    node.disconnect();
  }
}

async function connectAnew(): Promise<void> {
  const [carol, dave] = await fleet().people(2);
  const c = await fleet().sdk(device(carol));
  const d = await fleet().sdk(device(dave));
  const conversation = privateConversation(carol?.userId ?? '', dave?.userId ?? '');
  await c.client.send(conversation, { text: 'new here' });
  await waitFor(() => d.texts(conversation).includes('new here'), { timeoutMs: 10_000 });
}

describe('servers away', () => {
  it('nats-server gone for 30 s: people chat and connect as before', async () => {
    const nats = own(fleet().stack.servers.nats);
    const running = await chat();
    await nats.kill();
    await chatsOn(running, 30_000);
    await connectAnew();
    await nats.restart();
    await chatsOn(running, 1_000);
    await checkAll(running);
  });

  it('NATS loses its store: people chat on, and those who are away are woken as before', async () => {
    const nats = own(fleet().stack.servers.nats);
    const running = await chat();
    const [erin, frank] = await fleet().people(2);
    const away = privateConversation(erin?.userId ?? '', frank?.userId ?? '');
    const f = await fleet().sdk(device(frank));
    await f.client.call('registerPushToken', { provider: 5, token: 'token-of-frank' });
    await f.client.close();
    await nats.wipe();
    await chatsOn(running, 1_000);
    const e = await fleet().sdk(device(erin));
    await e.client.send(away, { text: 'wake up' });
    await waitFor(async () => (await fleet().stack.logs('push-0')).includes(away), {
      timeoutMs: 30_000,
      what: 'the push, by a stream that was made anew',
    });
    await checkAll(running);
  });

  it('Redis flushed', async () => {
    const running = await chat();
    await flushRedis(fleet().stack.servers.redis?.url ?? '');
    await chatsOn(running, 5_000);
    await connectAnew();
    await checkAll(running);
  });

  it('Redis gone: people chat and connect as before', async () => {
    const redis = own(fleet().stack.servers.redis);
    const running = await chat();
    await redis.kill();
    await chatsOn(running, 10_000);
    await connectAnew();
    await redis.restart();
    await checkAll(running);
  });

  it('mongod killed and back: sends wait, nothing is lost or doubled', async () => {
    const mongo = own(fleet().stack.servers.mongo);
    const running = await chat();
    await mongo.kill();
    await mongo.restart();
    await chatsOn(running, 1_000);
    await checkAll(running);
  });
});
