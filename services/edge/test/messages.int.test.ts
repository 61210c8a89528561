import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '@godwit/ids/id';
import { Envelope } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { FetchResult } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { Delivery } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { waitFor } from '@godwit/testkit/wait-for';
import { newDevice, type FakeRouter } from './fake-fleet.js';
import { runEdge, type RunningEdge } from './running-edge.js';

const CONVERSATION = `g:${newId()}`;

// Time passes at its own pace, and jumps where a test would have to wait for it.
let ahead = 0;
const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };

let running: RunningEdge;
let router: FakeRouter;
beforeEach(async () => {
  ahead = 0;
  running = await runEdge({ overrides: { clock } });
  const [first] = running.routers;
  if (first === undefined) throw new Error('no router');
  router = first;
});
afterEach(async () => {
  await running.stop();
});

const envelope = (text: string): Buffer =>
  Buffer.from(
    Envelope.encode({
      from: { userId: newId(), deviceId: newId() },
      to: { conversationId: CONVERSATION },
      metadata: { timestampMs: 1, kind: 1, targetSeq: 0, mediaIds: [], expiresAtMs: 0, clientMessageId: 'm' },
      payload: { content: { $case: 'text', value: { text } } },
    }).finish(),
  );

const delivery = (seq: number, handles: number[], startingHandles: number[] = []): Delivery => ({
  conversationId: CONVERSATION,
  seq,
  serverTimeMs: 1_700_000_000_000 + seq,
  envelope: envelope(`message ${String(seq)}`),
  handles,
  startingHandles,
  traceparent: '',
});

const send = (clientMessageId: string) => ({
  conversationId: CONVERSATION,
  clientMessageId,
  metadata: { timestampMs: '1764000000000', kind: 'KIND_TEXT' },
  payload: { text: { text: 'hello ☀' } },
});

describe('a send', () => {
  it.each([true, false])('is acked with its place (json: %s)', async (json) => {
    const client = await running.online({ json });
    client.say({ requestId: 5, send: send('m1') });
    expect(await client.next('sendAck')).toMatchObject({
      requestId: 5,
      sendAck: { conversationId: CONVERSATION, clientMessageId: 'm1', seq: '1', serverTimeMs: '1700000000001' },
    });
    const [item] = router.sends;
    expect(item).toMatchObject({ ...client.device, conversationId: CONVERSATION, kind: 1, retry: false });
    // The same bytes from both subprotocols: the hash of the body is made of them.
    expect(item?.payload.toString('hex')).toBe(Buffer.from('\n\x0b\n\thello ☀', 'utf8').toString('hex'));
  });

  it('that is refused says why, and what is stored', async () => {
    router.onSend = ({ requestId }) => {
      const stored = { seq: 4, serverTimeMs: 9, bodyHash: Buffer.from('hash') };
      const value = { reason: 'CLIENT_MESSAGE_ID_REUSED', message: 'taken', field: '', retryAfterMs: 0, stored };
      router.say({ sendOutcomes: [{ requestId, outcome: { $case: 'refused', value } }] });
    };
    const client = await running.online();
    client.say({ requestId: 5, send: send('m1') });
    expect(await client.next('error')).toMatchObject({
      requestId: 5,
      error: { reason: 'CLIENT_MESSAGE_ID_REUSED', clientMessageId: 'm1', stored: { seq: '4', serverTimeMs: '9' } },
    });
  });

  it('many of them share frames', async () => {
    const client = await running.online({ json: false });
    for (let index = 0; index < 150; index++) client.say({ requestId: index + 1, send: send(`m${String(index)}`) });
    await waitFor(() => client.frames.filter((frame) => 'sendAck' in frame).length === 150);
    expect(router.frames.filter(({ sends }) => sends.length > 0).length).toBeLessThan(100);
  });

  it('may come before the sync is complete', async () => {
    router.onSync = () => undefined;
    const client = await running.connect();
    client.say({ requestId: 1, hello: {} });
    client.say({ requestId: 2, send: send('early') });
    await client.next('sendAck');
  });
});

describe('a delivery', () => {
  it('reaches sockets of both subprotocols with the same content; who is not here is told', async () => {
    const clients = await Promise.all([running.online(), running.online({ json: false })]);
    const handles = clients.map(({ device }) => running.session.handleOf(device.deviceId));
    router.say({ batches: [{ batchId: 3, deliveries: [delivery(1, [...handles, 9_999])] }] });
    const [first, second] = await Promise.all(clients.map((client) => client.next('deliver')));
    expect(first).toEqual(second);
    expect(first?.['deliver']).toMatchObject({
      conversationId: CONVERSATION,
      seq: '1',
      serverTimeMs: '1700000000001',
      envelope: { metadata: { kind: 'KIND_TEXT' }, payload: { text: { text: 'message 1' } } },
    });
    await waitFor(() => router.frames.some(({ answers }) => answers.length > 0));
    expect(router.frames.flatMap(({ answers }) => answers)).toEqual([{ batchId: 3, notHere: [9_999] }]);
  });

  it('to a device that starts here says so first', async () => {
    const client = await running.online();
    const handle = running.session.handleOf(client.device.deviceId);
    router.say({ batches: [{ batchId: 1, deliveries: [delivery(41, [handle], [handle])] }] });
    expect(await client.next('position')).toMatchObject({
      position: { conversationId: CONVERSATION, cursorSeq: '40' },
    });
    await client.next('deliver');
  });

  it('to a socket that does not read ends in its being closed, and nobody else minds', async () => {
    const [slow, other] = await Promise.all([running.online({ json: false }), running.online()]);
    const handles = [slow, other].map(({ device }) => running.session.handleOf(device.deviceId));
    slow.ws.pause();
    const large = Buffer.from(
      Envelope.encode({ ...Envelope.decode(envelope('x')), to: { conversationId: 'x'.repeat(60_000) } }).finish(),
    );
    for (let seq = 1; seq <= 300; seq++) {
      router.say({ batches: [{ batchId: seq, deliveries: [{ ...delivery(seq, handles), envelope: large }] }] });
    }
    await waitFor(() => other.frames.filter((frame) => 'deliver' in frame).length === 300);
    await waitFor(() => running.session.unregistered.includes(handles[0] ?? 0));
    router.say({ batches: [{ batchId: 301, deliveries: [delivery(301, handles)] }] });
    await waitFor(() => router.frames.some(({ answers }) => answers.some(({ notHere }) => notHere[0] === handles[0])));
    slow.ws.terminate();
  });

  it('notices go through', async () => {
    const client = await running.online();
    const handles = [running.session.handleOf(client.device.deviceId)];
    const receipt = { conversationId: CONVERSATION, userId: newId(), deliveredSeq: 3, readSeq: 2, expiredSeq: 0 };
    router.say({ notices: [{ handles, notice: { $case: 'receipt', value: receipt } }] });
    expect(await client.next('receipt')).toMatchObject({ receipt: { deliveredSeq: '3', readSeq: '2' } });
  });
});

describe('a sync', () => {
  const message = (syncId: number, seq: number) => ({
    syncId,
    event: {
      $case: 'message' as const,
      value: { conversationId: CONVERSATION, seq, serverTimeMs: seq, envelope: envelope(String(seq)) },
    },
  });
  const done = (syncId: number) => ({ syncId, event: { $case: 'done' as const, value: { serverTimeMs: 77 } } });

  it('comes before live messages, and before itself nothing is asked that was not registered', async () => {
    router.onSync = () => undefined;
    const client = await running.connect();
    client.say({ requestId: 1, hello: { cursors: [{ conversationId: CONVERSATION, seq: '2' }], marksSinceMs: '5' } });
    const open = await waitFor(() => router.syncs[0]);
    expect(running.session.registers).toHaveLength(1);
    expect(open).toMatchObject({
      ...client.device,
      cursors: [{ conversationId: CONVERSATION, seq: 2 }],
      marksSinceMs: 5,
      recheck: false,
    });
    const handle = running.session.handleOf(client.device.deviceId);
    router.say({ batches: [{ batchId: 1, deliveries: [delivery(4, [handle]), delivery(5, [handle])] }] });
    router.say({ syncEvents: [message(open.syncId, 3), message(open.syncId, 4), done(open.syncId)] });
    await client.next('syncComplete');
    const seen = client.frames.flatMap((frame) =>
      'deliver' in frame ? [(frame['deliver'] as { seq: string }).seq] : [],
    );
    expect(seen).toEqual(['3', '4', '5']);
    await waitFor(() => router.frames.some(({ answers }) => answers.length > 0));
    expect(router.frames.flatMap(({ answers }) => answers)).toEqual([{ batchId: 1, notHere: [] }]);
  });

  it('goes on as the device acks, and tells the store what it has', async () => {
    let open = 0;
    router.onSync = ({ syncId }) => {
      open = syncId;
      router.say({ syncEvents: Array.from({ length: 40 }, (_, index) => message(syncId, index + 1)) });
    };
    const client = await running.connect();
    client.say({ requestId: 1, hello: {} });
    await waitFor(() => client.frames.filter((frame) => 'deliver' in frame).length === 40);
    client.say({ ack: { cursors: [{ conversationId: CONVERSATION, seq: '10' }] } });
    client.say({ ack: { cursors: [{ conversationId: CONVERSATION, seq: '40' }] } });
    client.say({ read: { cursors: [{ conversationId: CONVERSATION, seq: '39' }] } });
    await waitFor(() => router.frames.flatMap(({ syncCredits }) => syncCredits).length > 0);
    expect(router.frames.flatMap(({ syncCredits }) => syncCredits)).toEqual([{ syncId: open, messages: 40 }]);
    const cursors = await waitFor(() => router.frames.find((frame) => frame.cursors.length > 0)?.cursors);
    expect(cursors).toMatchObject([{ conversationId: CONVERSATION, deliveredSeq: 40, readSeq: 39, ...client.device }]);
  });

  it('is repeated 5 s later with what was handed over', async () => {
    router.onSync = ({ syncId, recheck }) => {
      router.say({ syncEvents: recheck ? [done(syncId)] : [message(syncId, 1), done(syncId)] });
    };
    const client = await running.online();
    const handle = running.session.handleOf(client.device.deviceId);
    router.say({ batches: [{ batchId: 1, deliveries: [delivery(2, [handle]), delivery(4, [handle])] }] });
    await client.next('deliver');
    await client.next('deliver');
    expect(router.syncs).toHaveLength(1);
    ahead = 6_000;
    const recheck = await waitFor(() => router.syncs[1]);
    // 4 was handed over too, but 3 was not.
    expect(recheck).toMatchObject({ recheck: true, cursors: [{ conversationId: CONVERSATION, seq: 2 }] });
  });

  it('that fails closes the socket', async () => {
    router.onSync = ({ syncId }) => {
      const value = {
        reason: 'UNAVAILABLE',
        message: 'group is away',
        field: '',
        retryAfterMs: 1_000,
        stored: undefined,
      };
      router.say({ syncEvents: [{ syncId, event: { $case: 'failed', value } }] });
    };
    const client = await running.connect();
    client.say({ requestId: 1, hello: {} });
    expect(await client.next('error')).toMatchObject({ error: { reason: 'UNAVAILABLE' } });
    expect(await client.closed()).toMatchObject({ code: 1013 });
  });

  it('ends with its socket', async () => {
    router.onSync = () => undefined;
    const client = await running.connect();
    client.say({ requestId: 1, hello: {} });
    const open = await waitFor(() => router.syncs[0]);
    client.ws.terminate();
    await waitFor(() => router.frames.some(({ syncCloses }) => syncCloses.includes(open.syncId)));
    await waitFor(() => running.session.unregistered.length === 1);
  });

  it('waits for a socket that reads slowly', async () => {
    const large = Buffer.from(
      Envelope.encode({ ...Envelope.decode(envelope('x')), to: { conversationId: 'x'.repeat(40_000) } }).finish(),
    );
    router.onSync = ({ syncId }) => {
      const events = Array.from({ length: 250 }, (_, index) => {
        const value = { conversationId: CONVERSATION, seq: index + 1, serverTimeMs: 1, envelope: large };
        return { syncId, event: { $case: 'message' as const, value } };
      });
      router.say({ syncEvents: [...events, done(syncId)] });
    };
    const client = await running.connect({ json: false });
    client.ws.pause();
    client.say({ requestId: 1, hello: {} });
    await waitFor(() => router.syncs.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    client.ws.resume();
    await client.next('syncComplete');
    expect(client.frames.filter((frame) => 'deliver' in frame)).toHaveLength(250);
  });
});

describe('a fetch', () => {
  it.each([true, false])('is answered (json: %s)', async (json) => {
    const client = await running.online({ json });
    client.say({ requestId: 6, fetch: { conversationId: CONVERSATION, afterSeq: '3', limit: 10 } });
    const item = await waitFor(() => router.frames.flatMap(({ fetches }) => fetches)[0]);
    expect(item).toMatchObject({ userId: client.device.userId, fetch: { afterSeq: 3, limit: 10 } });
    const messages = [
      {
        conversationId: CONVERSATION,
        seq: 4,
        serverTimeMs: 5,
        envelope: Envelope.decode(envelope('4')),
        traceparent: '',
      },
    ];
    const range = { floorSeq: 0, headSeq: 4, coveredFromSeq: 4, coveredToSeq: 4, more: false };
    const value = Buffer.from(
      FetchResult.encode({ conversationId: CONVERSATION, messages, gone: [], ...range }).finish(),
    );
    router.say({ fetchOutcomes: [{ requestId: item.requestId, outcome: { $case: 'result', value } }] });
    expect(await client.next('fetchResult')).toMatchObject({
      requestId: 6,
      fetchResult: { conversationId: CONVERSATION, headSeq: '4', messages: [{ seq: '4' }] },
    });
  });
});

describe('with a router that is lost', () => {
  let pair: RunningEdge;
  beforeEach(async () => {
    pair = await runEdge({ routers: 2, overrides: { clock } });
  });
  afterEach(async () => {
    await pair.stop();
  });

  it('sends in flight are asked again at the other as retries, syncs and marks too', async () => {
    for (const each of pair.routers) each.onSend = () => undefined;
    const clients = await Promise.all(Array.from({ length: 8 }, () => pair.online()));
    for (const [index, client] of clients.entries()) {
      client.say({
        requestId: 1,
        send: { ...send('m'), conversationId: `g:${newId()}`, clientMessageId: String(index) },
      });
      client.say({ ack: { cursors: [{ conversationId: `g:${newId()}`, seq: '7' }] } });
    }
    await waitFor(() => pair.routers.reduce((sum, { sends }) => sum + sends.length, 0) === 8);
    await waitFor(() => pair.routers.flatMap(({ frames }) => frames.flatMap(({ cursors }) => cursors)).length === 8);
    const [lost, other] = [...pair.routers].sort((a, b) => b.sends.length - a.sends.length);
    if (lost === undefined || other === undefined) throw new Error('no routers');
    const before = { sends: other.sends.length, lost: lost.sends.length };
    const lostCursors = lost.frames.flatMap(({ cursors }) => cursors);
    for (const item of other.sends) other.stored(item, 1);
    other.onSend = (item) => {
      other.stored(item, 2);
    };
    await lost.stop();
    for (const client of clients) await client.next('sendAck');
    const again = other.sends.slice(before.sends);
    expect(again).toHaveLength(before.lost);
    expect(again.every(({ retry }) => retry)).toBe(true);
    const told = (): string[] => other.frames.flatMap(({ cursors }) => cursors.map(({ deviceId }) => deviceId));
    await waitFor(() => lostCursors.every(({ deviceId }) => told().includes(deviceId)));
  });

  it('a router that says nothing is left for the other after 3 s', async () => {
    const client = await pair.online();
    for (const each of pair.routers) each.onSend = () => undefined;
    client.say({ requestId: 1, send: send('m') });
    const first = await waitFor(() => pair.routers.find(({ sends }) => sends.length === 1));
    const other = pair.routers.find((each) => each !== first);
    ahead += 3_000;
    const item = await waitFor(() => other?.sends[0]);
    expect(item.retry).toBe(true);
    other?.stored(item, 9);
    expect(await client.next('sendAck')).toMatchObject({ requestId: 1, sendAck: { seq: '9' } });
  });

  it('a router that answers others is waited for, and one that answers nobody is not', async () => {
    const client = await pair.online();
    for (const each of pair.routers) each.onSend = () => undefined;
    client.say({ requestId: 1, send: send('slow') });
    const first = await waitFor(() => pair.routers.find(({ sends }) => sends.length === 1));
    const other = await waitFor(() => pair.routers.find((each) => each !== first));
    await waitFor(() => {
      client.say({ requestId: 2, send: { ...send('elsewhere'), conversationId: `g:${newId()}` } });
      return other.sends.length > 0;
    });
    ahead += 1_000;
    client.say({ requestId: 3, send: send('quick') });
    const quick = await waitFor(() => first.sends.find(({ clientMessageId }) => clientMessageId === 'quick'));
    first.stored(quick, 2);
    await client.next('sendAck');
    ahead += 2_500;
    await waitFor(() => first.sends.some(({ clientMessageId, retry }) => clientMessageId === 'elsewhere' && retry));
    expect(other.sends.filter(({ clientMessageId }) => clientMessageId === 'slow')).toEqual([]);
  });

  it('syncs are opened at the other with what was handed over', async () => {
    for (const each of pair.routers) {
      each.onSync = ({ syncId }) => {
        each.say({ syncEvents: [message(syncId, 1)] });
      };
    }
    const message = (syncId: number, seq: number) => ({
      syncId,
      event: {
        $case: 'message' as const,
        value: { conversationId: CONVERSATION, seq, serverTimeMs: 1, envelope: envelope('x') },
      },
    });
    const client = await pair.connect();
    client.say({ requestId: 1, hello: {} });
    await client.next('deliver');
    const lost = pair.routers.find(({ syncs }) => syncs.length === 1);
    const other = pair.routers.find((each) => each !== lost);
    if (other === undefined) throw new Error('no other router');
    other.onSync = ({ syncId }) => {
      other.say({ syncEvents: [{ syncId, event: { $case: 'done', value: { serverTimeMs: 1 } } }] });
    };
    await lost?.stop();
    await client.next('syncComplete');
    expect(other.syncs[0]).toMatchObject({ recheck: false, cursors: [{ conversationId: CONVERSATION, seq: 1 }] });
  });
});

describe('with every router lost', () => {
  it('a send is refused after a while, to be tried again', async () => {
    const client = await running.online();
    await router.stop();
    client.say({ requestId: 1, send: send('m') });
    client.say({ requestId: 2, ping: {} });
    await client.next('pong');
    ahead += 12_000;
    expect((await client.next('error'))['error']).toMatchObject({
      reason: 'UNAVAILABLE',
      clientMessageId: 'm',
      retryAfterMs: 1_000,
    });
  });
});

describe('with the session service lost', () => {
  it('sockets go on, are registered again when it is back, and are checked', async () => {
    const { port } = running.session.address;
    const client = await running.online();
    const handle = running.session.handleOf(client.device.deviceId);
    await running.session.stop();
    client.say({ requestId: 2, send: send('still-here') });
    await client.next('sendAck');
    await running.session.start('session-0', port);
    const again = await waitFor(() => running.session.registers.find((register) => register.again), {
      timeoutMs: 8_000,
    });
    expect(again).toMatchObject({ handle, ...client.device });
    await waitFor(() => router.syncs.some(({ recheck }) => recheck));
  });

  it('nobody else gets in meanwhile, and is told', async () => {
    await running.session.stop();
    const client = await running.connect({ device: newDevice() });
    client.say({ requestId: 1, hello: {} });
    client.say({ requestId: 2, ping: {} });
    await client.next('pong');
    ahead += 8_000;
    expect((await client.next('error'))['error']).toMatchObject({ reason: 'UNAVAILABLE' });
    expect(await client.closed()).toMatchObject({ code: 1013 });
  });
});
