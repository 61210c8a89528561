import { create } from '@bufbuild/protobuf';
import { SendSchema, type Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { describe, expect, it } from 'vitest';
import { RefusedError } from '../src/errors.js';
import { Outbox, type Sent } from '../src/outbox.js';
import { memoryStorage, type Storage } from '../src/storage.js';

class Wire {
  up = true;
  now = 1;
  requestId = 0;
  readonly sent: { send: Send; requestId: number }[] = [];
  readonly recovered: (Sent | RefusedError)[] = [];
  readonly outbox: Outbox;

  constructor(storage: Storage, window = 1) {
    this.outbox = new Outbox({
      storage,
      window,
      transmit: (send, requestId) => {
        if (this.up) this.sent.push({ send, requestId });
        return this.up;
      },
      nextRequestId: () => (this.requestId += 1),
      now: () => this.now,
      onStorageError: (error) => {
        throw error;
      },
      onRecovered: (result) => this.recovered.push(result),
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
    wire.now += 500;
    wire.outbox.pump();
    expect(wire.ids()).toEqual(['a', 'a+retry']);
    wire.outbox.refused(2, new RefusedError({ reason: 'NOT_A_MEMBER', message: '' }));
    await expect(first).rejects.toMatchObject({ reason: 'NOT_A_MEMBER' });
  });

  it('survives a restart: the same bytes, in order, as retries', async () => {
    const storage = memoryStorage();
    const before = new Wire(storage, 8);
    for (const id of ['a', 'b', 'c']) void before.outbox.add(send(id));
    await settled();
    before.ack(1, 1);
    await settled();
    const after = new Wire(storage, 8);
    await after.outbox.load();
    void after.outbox.add(send('d'));
    await settled();
    expect(after.ids()).toEqual(['a+retry', 'c+retry', 'd']);
    after.ack(0, 2);
    await settled();
    expect(after.recovered).toMatchObject([{ clientMessageId: 'a', seq: 2 }]);
    expect(await storage.entries('out/')).toHaveLength(2);
  });

  it('takes a message that came back as its own ack', async () => {
    const wire = new Wire(memoryStorage());
    const sent = wire.outbox.add(send('a'));
    await settled();
    wire.outbox.disconnected();
    expect(wire.outbox.seen({ conversationId: 'g:x', clientMessageId: 'a', seq: 7, serverTimeMs: 1 })).toBe(true);
    expect((await sent).seq).toBe(7);
  });
});
