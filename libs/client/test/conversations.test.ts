import { create } from '@bufbuild/protobuf';
import { DeliverSchema, FetchResultSchema, type Deliver } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { describe, expect, it } from 'vitest';
import { Conversations, type ConversationsOptions } from '../src/conversations.js';
import { RefusedError } from '../src/errors.js';
import { HoleFetches } from '../src/hole-fetches.js';
import { memoryStorage, type Storage } from '../src/storage.js';

const deliver = (conversationId: string, seq: number): Deliver =>
  create(DeliverSchema, { conversationId, seq: BigInt(seq) });

class Device {
  now = 0;
  up = true;
  readonly shown: string[] = [];
  readonly acks: Record<string, number>[] = [];
  readonly asked: string[] = [];
  readonly problems: unknown[] = [];
  readonly conversations: Conversations;

  constructor(storage: Storage, options: Partial<ConversationsOptions> = {}) {
    this.conversations = new Conversations({
      storage,
      now: () => this.now,
      show: ({ conversationId, seq }) => {
        this.shown.push(`${conversationId}#${String(seq)}`);
        return undefined;
      },
      acknowledge: (cursors) => {
        if (this.up) this.acks.push(Object.fromEntries(cursors.map((c) => [c.conversationId, Number(c.seq)])));
        return this.up;
      },
      askFor: (conversationId, { from, to }) => this.asked.push(`${conversationId}#${String(from)}-${String(to)}`),
      onStorageError: (error) => this.problems.push(error),
      onWork: () => undefined,
      ...options,
    });
  }
}

describe('Conversations', () => {
  it('stores, then acks, merged over conversations', async () => {
    const order: string[] = [];
    const memory = memoryStorage();
    const storage: Storage = {
      ...memory,
      set: async (key, value) => {
        await memory.set(key, value);
        order.push(`stored ${key}`);
      },
    };
    const device = new Device(storage, {
      acknowledge: (cursors) => {
        order.push(`acked ${String(cursors.length)}`);
        return true;
      },
    });
    for (let seq = 1; seq <= 3; seq += 1) device.conversations.deliver(deliver('g:a', seq));
    device.conversations.deliver(deliver('g:b', 1));
    await device.conversations.flush();
    expect(order).toEqual(['stored seen/g:a', 'stored seen/g:b', 'acked 2']);
  });

  it('does not ack what could not be stored, and tries again after a second', async () => {
    const memory = memoryStorage();
    let broken = true;
    const device = new Device({
      ...memory,
      set: (key, value) => (broken ? Promise.reject(new Error('disk full')) : memory.set(key, value)),
    });
    device.conversations.deliver(deliver('g:a', 1));
    await device.conversations.flush();
    await device.conversations.flush();
    expect(device.acks).toEqual([]);
    expect(device.problems).toHaveLength(1);
    broken = false;
    device.now = 1_000;
    await device.conversations.flush();
    expect(device.acks).toEqual([{ 'g:a': 1 }]);
  });

  it('acks on the next socket what the last one could not take, without writing it again', async () => {
    const memory = memoryStorage();
    let writes = 0;
    const device = new Device({
      ...memory,
      set: (key, value) => {
        writes += 1;
        return memory.set(key, value);
      },
    });
    device.up = false;
    device.conversations.deliver(deliver('g:a', 1));
    for (let i = 0; i < 5; i += 1) await device.conversations.flush();
    expect(device.conversations.hasNews).toBe(false);
    device.up = true;
    device.conversations.connected();
    await device.conversations.flush();
    expect(device.acks).toEqual([{ 'g:a': 1 }]);
    expect(writes).toBe(1);
  });

  it('acks again what is delivered again: the server has not heard it', async () => {
    const device = new Device(memoryStorage());
    device.conversations.deliver(deliver('g:a', 1));
    await device.conversations.flush();
    device.conversations.deliver(deliver('g:a', 1));
    await device.conversations.flush();
    expect(device.acks).toEqual([{ 'g:a': 1 }, { 'g:a': 1 }]);
    expect(device.shown).toEqual(['g:a#1']);
  });

  it('names the conversations that were heard of last in the hello, when there are too many', async () => {
    const storage = memoryStorage();
    for (let i = 0; i < 700; i += 1) await storage.set(`seen/g:${String(i)}`, new TextEncoder().encode('5'));
    const device = new Device(storage);
    await device.conversations.load();
    device.conversations.deliver(deliver('g:3', 6));
    const cursors = device.conversations.cursors();
    expect(cursors).toHaveLength(500);
    expect(cursors[0]).toEqual({ conversationId: 'g:3', seq: 6n });
  });

  it('starts a conversation whose cursor is unreadable from the server’s', async () => {
    const storage = memoryStorage();
    await storage.set('seen/g:a', new TextEncoder().encode('garbage'));
    await storage.set('seen/g:b', new TextEncoder().encode('4'));
    const device = new Device(storage);
    await device.conversations.load();
    expect(device.conversations.cursors()).toEqual([{ conversationId: 'g:b', seq: 4n }]);
    expect(device.problems).toHaveLength(1);
  });

  it('asks for holes only where there are some', () => {
    const device = new Device(memoryStorage());
    device.conversations.deliver(deliver('g:a', 1));
    device.conversations.deliver(deliver('g:b', 4));
    expect(device.conversations.hasHoles).toBe(true);
    device.now = 1_000;
    device.conversations.askForHoles();
    expect(device.asked).toEqual(['g:b#1-3']);
    device.conversations.position(create(DeliverSchema, { conversationId: 'g:b' }) as never);
    device.conversations.skip('g:b', { from: 1, to: 3 });
    expect(device.conversations.hasHoles).toBe(false);
  });

  it('finishes with everything stored and acked, more than one frame of it', async () => {
    const device = new Device(memoryStorage());
    for (let i = 0; i < 1_100; i += 1) device.conversations.deliver(deliver(`g:${String(i)}`, 1));
    void device.conversations.flush();
    await device.conversations.finish();
    expect(device.acks.map((ack) => Object.keys(ack).length)).toEqual([500, 500, 100]);
  });

  it('lets a slow app hold back a bounded number of messages', () => {
    const device = new Device(memoryStorage(), { show: () => new Promise(() => undefined) });
    for (let seq = 1; seq <= 1_500; seq += 1) device.conversations.deliver(deliver('g:a', seq));
    expect(device.conversations.seen('g:a')).toBe(1_000);
    expect(device.conversations.cursors()).toEqual([{ conversationId: 'g:a', seq: 0n }]);
    expect(device.conversations.hasHoles).toBe(true);
  });
});

describe('HoleFetches', () => {
  const refusedWith = async (reason: string): Promise<{ skipped: unknown[]; failures: Error[] }> => {
    const skipped: unknown[] = [];
    const failures: Error[] = [];
    const holes = new HoleFetches({
      fetch: () => Promise.reject(new RefusedError({ reason, message: '' })),
      conversations: { fetched: () => undefined, skip: (_id, range) => skipped.push(range) },
      onFailure: (error) => failures.push(error),
    });
    holes.ask('g:a', { from: 2, to: 4 });
    await new Promise((resolve) => setImmediate(resolve));
    return { skipped, failures };
  };

  it('passes over a hole in which there is nothing for this user, for good', async () => {
    expect(await refusedWith('NOT_A_MEMBER')).toEqual({ skipped: [{ from: 2, to: 4 }], failures: [] });
    expect((await refusedWith('UNAVAILABLE')).skipped).toEqual([]);
  });

  it('asks once at a time, page after page', async () => {
    const asked: bigint[] = [];
    const holes = new HoleFetches({
      fetch: ({ afterSeq = 0n }) => {
        asked.push(afterSeq);
        return Promise.resolve(
          create(FetchResultSchema, { coveredToSeq: afterSeq + 256n, more: afterSeq + 256n < 600n }),
        );
      },
      conversations: { fetched: () => undefined, skip: () => undefined },
      onFailure: (error) => {
        throw error;
      },
    });
    holes.ask('g:a', { from: 1, to: 600 });
    holes.ask('g:a', { from: 1, to: 600 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual([0n, 256n, 512n]);
  });
});
