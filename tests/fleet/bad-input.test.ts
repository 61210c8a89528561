import { create, toBinary } from '@bufbuild/protobuf';
import { ClientFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { ForeignClient, type Json } from './foreign-client.js';
import { device, fleetOfFile } from './people.js';

const fleet = fleetOfFile();

interface Scene {
  readonly mallory: ForeignClient;
  readonly conversation: string;
  /** The others go on undisturbed, and mallory can still send. */
  check(): Promise<void>;
}

async function scene(): Promise<Scene> {
  const [m, alice, bob] = await fleet().people(3);
  const mallory = await fleet().foreign(device(m));
  const a = await fleet().sdk(device(alice), { edges: [fleet().edge(0)] });
  const b = await fleet().sdk(device(bob), { edges: [fleet().edge(0)] });
  const theirs = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
  const conversation = privateConversation(m?.userId ?? '', bob?.userId ?? '');
  return {
    mallory,
    conversation,
    async check() {
      await a.client.send(theirs, { text: 'undisturbed' });
      await waitFor(() => b.texts(theirs).includes('undisturbed'));
      expect(await mallory.send(conversation, newId(), 'fine')).toHaveProperty('sendAck');
    },
  };
}

const text = { text: { text: 'x' } };
const kind = { kind: 'KIND_TEXT' };

describe('a bad frame costs its sender one typed error', () => {
  const frames: [string, string][] = [
    ['not JSON', '{"send":'],
    ['no object', '[]'],
    ['an unknown field', '{"requestId":5,"sned":{}}'],
    ['a wrong type', '{"requestId":5,"ack":{"cursors":"all"}}'],
    ['two bodies', '{"requestId":5,"ping":{},"typing":{}}'],
    ['a prototype key', '{"requestId":5,"ping":{"__proto__":{"admin":true}}}'],
    ['deep JSON', `{"ping":${'['.repeat(30_000)}${']'.repeat(30_000)}}`],
  ];
  it.each(frames)('%s', async (_name, frame) => {
    const { mallory, check } = await scene();
    mallory.write(frame);
    const answer = await mallory.frame((one) => one['error'] !== undefined);
    expect(answer['error']).toMatchObject({ reason: 'MALFORMED_FRAME' });
    await check();
  });

  it('invalid UTF-8 and two members of a oneof in a binary frame', async () => {
    const [m] = await fleet().people(1);
    const socket = new WebSocket(`${fleet().edge(0)}/v1/ws`, 'godwit.v1.proto', {
      headers: { authorization: `Bearer ${device(m).accessToken}` },
    });
    const answers: Buffer[] = [];
    socket.on('message', (data: Buffer) => answers.push(data));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(
      toBinary(ClientFrameSchema, create(ClientFrameSchema, { body: { case: 'hello', value: { client: 'x' } } })),
    );
    await waitFor(() => answers.length > 0);
    const bad = Buffer.from([0x4a, 0x04, 0x0a, 0x02, 0xc3, 0x28]);
    const two = Buffer.from([0x62, 0x00, 0x4a, 0x00]);
    for (const frame of [bad, two, Buffer.from([0xff, 0xff, 0xff])]) {
      const before = answers.filter((answer) => answer.includes('MALFORMED_FRAME')).length;
      socket.send(frame);
      await waitFor(() => answers.filter((answer) => answer.includes('MALFORMED_FRAME')).length > before);
    }
    socket.close();
  });
});

describe('a bad request costs its sender one typed error', () => {
  const user = newId();
  const requests: [string, (conversation: string) => Json, string, string?][] = [
    [
      'an unknown conversation',
      () => ({ send: { conversationId: `g:${user}`, clientMessageId: 'a', metadata: kind, payload: text } }),
      'CONVERSATION_NOT_FOUND',
    ],
    [
      'a private chat with nobody',
      () => ({ send: { conversationId: 'p:x:y', clientMessageId: 'a', metadata: kind, payload: text } }),
      'INVALID_ARGUMENT',
      'conversation_id',
    ],
    [
      "someone else's private chat",
      () => ({
        send: {
          conversationId: privateConversation(newId(), newId()),
          clientMessageId: 'a',
          metadata: kind,
          payload: text,
        },
      }),
      'NOT_A_MEMBER',
    ],
    [
      'a $-key as id',
      () => ({ send: { conversationId: 'g:$where', clientMessageId: 'a', metadata: kind, payload: text } }),
      'INVALID_ARGUMENT',
      'conversation_id',
    ],
    ['a subject wildcard as id', () => ({ typing: { conversationId: 'g:>' } }), 'INVALID_ARGUMENT', 'conversation_id'],
    [
      'a client message id with a dot',
      (c) => ({ send: { conversationId: c, clientMessageId: 'a.*', metadata: kind, payload: text } }),
      'INVALID_ARGUMENT',
      'client_message_id',
    ],
    [
      'a prototype key as client message id',
      (c) => ({ send: { conversationId: c, clientMessageId: '__proto__', metadata: kind, payload: text } }),
      'INVALID_ARGUMENT',
      'client_message_id',
    ],
    [
      'an empty text',
      (c) => ({ send: { conversationId: c, clientMessageId: 'a', metadata: kind, payload: { text: {} } } }),
      'INVALID_ARGUMENT',
      'payload.text.text',
    ],
    [
      'a kind that is not the payload',
      (c) => ({ send: { conversationId: c, clientMessageId: 'a', metadata: { kind: 'KIND_EDIT' }, payload: text } }),
      'INVALID_ARGUMENT',
    ],
    [
      'a kind of the fleet',
      (c) => ({
        send: {
          conversationId: c,
          clientMessageId: 'a',
          metadata: { kind: 'KIND_MEMBERSHIP' },
          payload: { membership: {} },
        },
      }),
      'KIND_NOT_ALLOWED',
    ],
    [
      'a kind that comes later',
      (c) => ({ send: { conversationId: c, clientMessageId: 'a', metadata: { kind: 'KIND_IMAGE' }, payload: {} } }),
      'KIND_NOT_SUPPORTED',
    ],
    [
      'an ack above the head',
      (c) => ({ ack: { cursors: [{ conversationId: c, seq: '1000000' }] } }),
      'CURSOR_ABOVE_HEAD',
    ],
    ['a second hello', () => ({ hello: {} }), 'HELLO_FIRST'],
    [
      '100,000 members in one call',
      () => ({
        call: {
          createGroup: { clientRequestId: 'r', name: 'x', memberUserIds: Array.from({ length: 2_000 }, () => user) },
        },
      }),
      'INVALID_ARGUMENT',
      'member_user_ids',
    ],
    ['a fetch of too many', (c) => ({ fetch: { conversationId: c, limit: 100_000 } }), 'INVALID_ARGUMENT', 'limit'],
  ];
  it.each(requests)('%s', async (...[, request, reason, field]) => {
    const { mallory, conversation, check } = await scene();
    await check();
    mallory.say({ requestId: 99, ...request(conversation) });
    const answer = await mallory.frame((one) => one['error'] !== undefined || one['callResult'] !== undefined);
    const refused = (answer['error'] ?? (answer['callResult'] as Json)['refused']) as Json;
    expect(refused['reason']).toBe(reason);
    if (field !== undefined) expect(refused['field']).toBe(field);
    await check();
  });

  it('a blocked sender, and one whom the recipient lets in again', async () => {
    const [alice, bob] = await fleet().people(2);
    const a = await fleet().foreign(device(alice));
    const b = await fleet().sdk(device(bob));
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    expect(await a.send(conversation, 'm1', 'hi')).toHaveProperty('sendAck');
    await b.client.call('blockUser', { userId: alice?.userId ?? '' });
    let tries = 0;
    await waitFor(async () => {
      const answer = await a.send(conversation, `b${String((tries += 1))}`, 'hi');
      return (answer['error'] as Json | undefined)?.['reason'] === 'BLOCKED';
    });
    expect(await a.resend(conversation, 'm1', 'hi')).toMatchObject({ sendAck: { duplicate: true } });
    await b.client.call('unblockUser', { userId: alice?.userId ?? '' });
    await waitFor(async () => (await a.send(conversation, `u${String((tries += 1))}`, 'hi'))['sendAck'] !== undefined);
  });
});

describe('the door', () => {
  it('refuses missing, forged and foreign tokens, and unknown subprotocols', async () => {
    const [m] = await fleet().people(1);
    const { accessToken } = device(m);
    const edge = fleet().edge(0);
    const forged = `${accessToken.slice(0, -8)}AAAAAAAA`;
    await expect(ForeignClient.open(edge, undefined)).rejects.toThrow('HTTP 401');
    await expect(ForeignClient.open(edge, 'rubbish')).rejects.toThrow('HTTP 401');
    await expect(ForeignClient.open(edge, forged)).rejects.toThrow('HTTP 401');
    await expect(ForeignClient.open(edge, accessToken, 'chat.v9')).rejects.toThrow('HTTP 400');
  });

  it('closes an oversized frame with 1009 and a silent handshake with 4408', async () => {
    const { mallory } = await scene();
    mallory.write('x'.repeat(70_000));
    expect(await mallory.untilClosed()).toBe(1009);
    const [m] = await fleet().people(1);
    const mute = await ForeignClient.open(fleet().edge(0), device(m).accessToken);
    expect(await mute.untilClosed(15_000)).toBe(4408);
  });

  it('lets one device have one socket', async () => {
    const [m] = await fleet().people(1);
    const first = await fleet().foreign(device(m), 0);
    const second = await fleet().foreign(device(m), 1);
    expect(await first.untilClosed()).toBe(4409);
    expect(second.closed).toBeUndefined();
  });

  it('closes a socket whose device was removed', async () => {
    const [m] = await fleet().people(1, 2);
    const lost = await fleet().foreign(device(m, 0), 0);
    const kept = await fleet().sdk(device(m, 1));
    await kept.client.call('removeDevice', { deviceId: device(m, 0).deviceId });
    expect(await lost.untilClosed()).toBe(4401);
    await expect(ForeignClient.open(fleet().edge(1), device(m, 0).accessToken)).rejects.toThrow('HTTP 401');
  });
});
