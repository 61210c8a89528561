import { create } from '@bufbuild/protobuf';
import { SendSchema, type Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { describe, expect, it } from 'vitest';
import { RefusedError } from '../src/errors.js';
import { Outbox, type OutboxOptions, type Sent, type Unsent } from '../src/outbox.js';
import { memoryStorage, type Storage } from '../src/storage.js';

class Wire {
  up = true;
  now = 1;
  requestId = 0;
  readonly sent: { send: Send; requestId: number }[] = [];
  readonly settled: Sent[] = [];
  readonly unsent: Unsent[] = [];
  readonly outbox: Outbox;

  constructor(storage: Storage, options: Partial<OutboxOptions> = {}) {
    this.outbox = new Outbox({
      storage,
      window: 1,
      mostUnsent: 100,
      transmit: (send, requestId) => {
        if (this.up) this.sent.push({ send, requestId });
        return this.up;
      },
      nextRequestId: () => (this.requestId += 1),
      now: () => this.now,
      onStorageError: (error) => {
        throw error;
      },
      onSent: (sent) => this.settled.push(sent),
      onUnsent: (unsent) => this.unsent.push(unsent),
      ...options,
    });
  }

  ids(): string[] {
    return this.sent.map(({ send }) => send.clientMessageId + (send.retry ? '+retry' : ''));
  }

  ack(index: number, seq: number): void {
    const { send, requestId } = this.sent[index] ?? expect.fail('nothing was sent');
    const { conversationId, clientMessageId } = send;
    this.outbox.acked(requestId, { conversationId, clientMessageId, seq, serverTimeMs: 1 });
  }
}

const send = (clientMessageId: string, conversationId = 'g:x'): Send =>
  create(SendSchema, { conversationId, clientMessageId });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Outbox', () => {
  it('keeps one send of a conversation under way, and conversations apart', async () => {
    const wire = new Wire(memoryStorage());
    const first = wire.outbox.add(send('a'));
    const second = wire.outbox.add(send('b'));
    const other = wire.outbox.add(send('c', 'g:y'));
    await settled();
    expect(wire.ids()).toEqual(['a', 'c']);
    wire.ack(0, 1);
    await first;
    expect(wire.ids()).toEqual(['a', 'c', 'b']);
    wire.ack(1, 1);
    wire.ack(2, 2);
    expect((await second).seq).toBe(2);
    expect((await other).seq).toBe(1);
    expect(wire.outbox.size).toBe(0);
  });

  it('repeats what was in flight as a retry after the connection broke, and after no answer', async () => {
    const wire = new Wire(memoryStorage());
    void wire.outbox.add(send('a'));
    await settled();
    wire.outbox.disconnected();
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry']);
    wire.now += 10_001;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry', 'a+retry']);
  });

  it('waits as told by a refusal that may pass, and ends with one that will not', async () => {
    const wire = new Wire(memoryStorage());
    const first = wire.outbox.add(send('a'));
    await settled();
    wire.outbox.refused(1, new RefusedError({ reason: 'RATE_LIMITED', message: '', retryAfterMs: 500 }));
    wire.outbox.pump();
    expect(wire.sent).toHaveLength(1);
    wire.now += 600;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry']);
    wire.outbox.refused(2, new RefusedError({ reason: 'NOT_A_MEMBER', message: '' }));
    await expect(first).rejects.toMatchObject({ reason: 'NOT_A_MEMBER' });
  });

  it('survives a restart: the same bytes, in order, as retries', async () => {
    const storage = memoryStorage();
    const before = new Wire(storage, { window: 8 });
    for (const id of ['a', 'b', 'c']) void before.outbox.add(send(id));
    await settled();
    before.ack(1, 1);
    await settled();
    const after = new Wire(storage, { window: 8 });
    await after.outbox.load();
    void after.outbox.add(send('d'));
    await settled();
    expect(after.ids()).toEqual(['a+retry', 'c+retry', 'd']);
    after.ack(0, 2);
    await settled();
    expect(after.settled).toMatchObject([{ clientMessageId: 'a', seq: 2 }]);
    expect(await storage.entries('out/')).toHaveLength(2);
    after.outbox.refused(after.sent[1]?.requestId ?? 0, new RefusedError({ reason: 'BLOCKED', message: '' }));
    expect(after.unsent).toMatchObject([{ conversationId: 'g:x', clientMessageId: 'c', error: { reason: 'BLOCKED' } }]);
  });

  it('takes a message that came back as its own ack', async () => {
    const wire = new Wire(memoryStorage());
    const sent = wire.outbox.add(send('a'));
    await settled();
    wire.outbox.disconnected();
    expect(wire.outbox.seen({ conversationId: 'g:x', clientMessageId: 'a', seq: 7, serverTimeMs: 1 })).toBe(true);
    expect((await sent).seq).toBe(7);
  });

  it('is refused too fast: everything waits, with some jitter', async () => {
    const wire = new Wire(memoryStorage());
    void wire.outbox.add(send('a'));
    await settled();
    wire.outbox.refused(1, new RefusedError({ reason: 'RATE_LIMITED', message: '', retryAfterMs: 1_000 }));
    void wire.outbox.add(send('b', 'g:y'));
    await settled();
    expect(wire.ids()).toEqual(['a']);
    wire.now += 1_200;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry', 'b']);
  });

  it('keeps to the rate that the server tells, and is fair to conversations while it does', async () => {
    const wire = new Wire(memoryStorage());
    wire.outbox.limit({ maxUnacked: 64, perSecond: 10, burst: 2.2 });
    for (const conversation of ['g:a', 'g:b', 'g:c', 'g:d'])
      void wire.outbox.add(send(conversation.slice(2), conversation));
    await settled();
    expect(wire.ids()).toEqual(['a', 'b']);
    wire.now += 120;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'b', 'c']);
    wire.ack(0, 1);
    void wire.outbox.add(send('a2', 'g:a'));
    await settled();
    wire.now += 120;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('ends with what no socket can take, and goes on with the next', async () => {
    const wire = new Wire(memoryStorage(), {
      transmit: (one, requestId) => {
        if (one.clientMessageId === 'large')
          throw new RefusedError({ reason: 'INVALID_ARGUMENT', message: 'too large' });
        wire.sent.push({ send: one, requestId });
        return true;
      },
    });
    const large = wire.outbox.add(send('large'));
    void wire.outbox.add(send('small'));
    await expect(large).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    expect(wire.ids()).toEqual(['small']);
  });

  it('repeats what was refused because the token had run out', async () => {
    const wire = new Wire(memoryStorage());
    void wire.outbox.add(send('a'));
    await settled();
    wire.outbox.refused(1, new RefusedError({ reason: 'TOKEN_EXPIRED', message: '' }));
    wire.now += 1_500;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry']);
  });

  it('is bounded', async () => {
    const wire = new Wire(memoryStorage(), { mostUnsent: 2 });
    wire.up = false;
    void wire.outbox.add(send('a'));
    void wire.outbox.add(send('b'));
    await expect(wire.outbox.add(send('c'))).rejects.toMatchObject({ reason: 'OUTBOX_FULL' });
  });

  it('closed, lets nobody wait, and keeps what it has for the next start', async () => {
    const storage = memoryStorage();
    const wire = new Wire(storage);
    wire.up = false;
    const sent = wire.outbox.add(send('a'));
    const gaveUp = expect(sent).rejects.toThrow('closed');
    await settled();
    wire.outbox.close('closed');
    await gaveUp;
    await expect(wire.outbox.add(send('b'))).rejects.toThrow('closed');
    expect(await storage.entries('out/')).toHaveLength(1);
  });

  it('says so when it can not be written, and leaves nothing behind', async () => {
    const storage = memoryStorage();
    const wire = new Wire({ ...storage, set: () => Promise.reject(new Error('disk full')) });
    await expect(wire.outbox.add(send('a'))).rejects.toThrow('could not be written');
    expect(wire.outbox.size).toBe(0);
  });

  it('skips an entry that it can not read', async () => {
    const storage = memoryStorage();
    await storage.set('out/000000000', new Uint8Array([1, 2, 3]));
    const problems: unknown[] = [];
    const wire = new Wire(storage, { onStorageError: (error) => problems.push(error) });
    await wire.outbox.load();
    void wire.outbox.add(send('a'));
    await settled();
    expect(problems).toHaveLength(1);
    expect(wire.ids()).toEqual(['a']);
  });
});
