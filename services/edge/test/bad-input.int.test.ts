import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toBinary, create } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { ClientFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { newId } from '@godwit/ids/id';
import { privateConversation } from '@godwit/ids/conversation';
import { waitFor } from '@godwit/testkit/wait-for';
import { runEdge, type RunningEdge } from './running-edge.js';
import type { Client } from './ws-client.js';

// Whatever a client sends costs that client only: after each case the edge, and a bystander, go on.

let running: RunningEdge;
let bystander: Client;
beforeAll(async () => {
  running = await runEdge({
    env: {
      GODWIT_EDGE_SENDS_BURST: '5',
      GODWIT_EDGE_SENDS_PER_SECOND: '1',
      GODWIT_EDGE_CALLS_BURST: '5',
      GODWIT_EDGE_CALLS_PER_SECOND: '1',
    },
  });
  bystander = await running.online();
});
afterAll(async () => {
  await running.stop();
});
afterEach(async () => {
  bystander.say({ requestId: 77, ping: {} });
  expect(await bystander.next('pong')).toMatchObject({ requestId: 77 });
});

const CONVERSATION = privateConversation(newId(), newId());
const goodSend = { conversationId: CONVERSATION, clientMessageId: 'm1', metadata: { kind: 'KIND_TEXT' } };

const bytesOf = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const tag = (field: number, type: number): number => (field << 3) | type;
const nested = (field: number, inner: Uint8Array): Uint8Array =>
  bytesOf((writer) => writer.uint32(tag(field, 2)).bytes(inner));

const expectMalformed = async (client: Client, what: string): Promise<void> => {
  const { error } = await client.next('error');
  expect(error, what).toMatchObject({ reason: 'MALFORMED_FRAME' });
  // The connection goes on.
  client.say({ requestId: 8, ping: {} });
  expect(await client.next('pong')).toMatchObject({ requestId: 8 });
};

describe('JSON frames', () => {
  const cases: [string, string][] = [
    ['no JSON', 'hello'],
    ['half of it', '{"requestId":1,"ping":{'],
    ['not an object', '[1,2,3]'],
    ['nothing', ''],
    ['an unknown field', '{"requestId":1,"ping":{},"color":"red"}'],
    ['an unknown field inside', '{"requestId":1,"typing":{"conversationId":"x","color":"red"}}'],
    ['a number for a string', '{"requestId":1,"typing":{"conversationId":5}}'],
    ['an object for a string', '{"requestId":1,"typing":{"conversationId":{"$ne":null}}}'],
    ['a string for an object', '{"requestId":1,"send":"hello"}'],
    ['an array for an object', '{"requestId":1,"ping":[]}'],
    ['a negative seq', `{"ack":{"cursors":[{"conversationId":"${CONVERSATION}","seq":"-1"}]}}`],
    ['a fraction for a seq', `{"ack":{"cursors":[{"conversationId":"${CONVERSATION}","seq":1.5}]}}`],
    ['an unknown enum name', `{"send":{"conversationId":"${CONVERSATION}","metadata":{"kind":"KIND_TELEPATHY"}}}`],
    ['two bodies', '{"requestId":1,"ping":{},"typing":{}}'],
    ['two contents', `{"send":{"payload":{"text":{"text":"a"},"edit":{"text":"b"}}}}`],
    ['a key twice', '{"requestId":1,"ping":{},"ping":{}}'],
    ['no body', '{"requestId":1}'],
    ['a prototype key', '{"requestId":1,"ping":{},"__proto__":{"admin":true}}'],
    ['a prototype key inside', '{"requestId":1,"send":{"constructor":{"prototype":{}}}}'],
    ['a dollar key', '{"requestId":1,"send":{"$where":"1"}}'],
    ['bad base64', `{"send":{"payload":{"encrypted":"***"}}}`],
    ['a lone surrogate', '{"requestId":1,"typing":{"conversationId":"\\ud800"}}'],
  ];
  it.each(cases)('are refused: %s', async (what, text) => {
    const client = await running.online();
    client.sayRaw(text);
    await expectMalformed(client, what);
    client.ws.close();
  });

  it.each([
    ['arrays', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['a field', `{"send":{"payload":${'{"text":'.repeat(7_000)}1${'}'.repeat(7_000)}}}`],
  ])('nested deeply are refused: %s', async (what, text) => {
    const client = await running.online();
    client.sayRaw(text);
    await expectMalformed(client, what);
    client.ws.close();
  });

  it('echo the request id of what was malformed', async () => {
    const client = await running.online();
    client.sayRaw('{"requestId":4711,"color":"red"}');
    expect(await client.next('error')).toMatchObject({ requestId: 4711 });
    client.ws.close();
  });

  it('that are not UTF-8 end their own socket only', async () => {
    const client = await running.online();
    client.sayRaw(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), false);
    await client.closed();
  });
});

describe('binary frames', () => {
  const text = new TextEncoder();
  const payload = (content: Uint8Array): Uint8Array => nested(5, nested(4, content));
  const cases: [string, Uint8Array][] = [
    ['noise', Uint8Array.from({ length: 200 }, (_, index) => (index * 97 + 13) & 0xff)],
    ['an endless length', Uint8Array.from([0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['an endless varint', Uint8Array.from([0x08, ...Array.from({ length: 12 }, () => 0xff)])],
    ['field number 0', Uint8Array.from([0x02, 0x00])],
    ['invalid UTF-8', nested(9, nested(1, Uint8Array.from([0xc3, 0x28])))],
    ['an overlong encoding', nested(9, nested(1, Uint8Array.from([0xc0, 0xaf])))],
    ['a surrogate in UTF-8', nested(9, nested(1, Uint8Array.from([0xed, 0xa0, 0x80])))],
    ['two bodies', Uint8Array.from([...nested(12, new Uint8Array()), ...nested(9, new Uint8Array())])],
    ['one body twice', Uint8Array.from([...nested(12, new Uint8Array()), ...nested(12, new Uint8Array())])],
    [
      'two contents',
      payload(Uint8Array.from([...nested(1, nested(1, text.encode('a'))), ...nested(5, nested(1, text.encode('b')))])),
    ],
    [
      'two contents in two payloads',
      nested(
        5,
        Uint8Array.from([...nested(4, nested(1, new Uint8Array())), ...nested(4, nested(5, new Uint8Array()))]),
      ),
    ],
    ['a varint for a message', Uint8Array.from([tag(12, 0), 1])],
    ['a message for a varint', nested(1, new Uint8Array())],
    ['a group', Uint8Array.from([tag(12, 3), tag(12, 4)])],
    ['nested unknown groups', Uint8Array.from([...Array.from({ length: 20_000 }, () => [0xa3, 0x06]).flat()])],
    ['no body', Uint8Array.from([0x08, 0x01])],
    ['nothing', new Uint8Array()],
  ];
  it.each(cases)('are refused: %s', async (what, bytes) => {
    const client = await running.online({ json: false });
    client.sayRaw(bytes);
    await expectMalformed(client, what);
    client.ws.close();
  });

  it('may have unknown fields', async () => {
    const client = await running.online({ json: false });
    const ping = toBinary(
      ClientFrameSchema,
      create(ClientFrameSchema, { requestId: 3, body: { case: 'ping', value: {} } }),
    );
    client.sayRaw(Uint8Array.from([...ping, ...nested(500, text.encode('from the future'))]));
    expect(await client.next('pong')).toMatchObject({ requestId: 3 });
    client.ws.close();
  });
});

describe('frames', () => {
  it('of more than 64 KiB close the socket with 1009', async () => {
    for (const json of [true, false]) {
      const client = await running.online({ json });
      client.sayRaw(json ? `{"ping":{}${' '.repeat(70_000)}}` : new Uint8Array(70_000));
      expect((await client.closed()).code).toBe(1009);
    }
  });

  it('of the other subprotocol close the socket with 4400 after an error', async () => {
    for (const json of [true, false]) {
      const client = await running.online({ json });
      client.sayRaw(json ? new Uint8Array([0x62, 0]) : '{"ping":{}}', json);
      expect(await client.next('error')).toMatchObject({ error: { reason: 'MALFORMED_FRAME' } });
      expect(await client.closed()).toMatchObject({ code: 4400 });
    }
  });

  it('that are malformed ten times in a minute close the socket with 4400', async () => {
    const client = await running.online();
    for (let index = 0; index < 10; index++) client.sayRaw('{"what":1}');
    expect(await client.closed()).toMatchObject({ code: 4400 });
    expect(client.frames.filter((frame) => 'error' in frame)).toHaveLength(10);
  });

  it('before hello are refused, and so is a second hello', async () => {
    const client = await running.connect();
    client.say({ requestId: 1, send: { ...goodSend, payload: { text: { text: 'hi' } } } });
    expect(await client.next('error')).toMatchObject({ requestId: 1, error: { reason: 'HELLO_FIRST' } });
    client.say({ requestId: 2, hello: {} });
    await client.next('welcome');
    client.say({ requestId: 3, hello: {} });
    expect(await client.next('error')).toMatchObject({ requestId: 3, error: { reason: 'HELLO_FIRST' } });
    client.ws.close();
  });
});

describe('ids', () => {
  const bad = [
    '',
    '$where',
    '__proto__',
    'constructor',
    'p:a:b',
    'g:*',
    'g:>',
    'g:a.b',
    `g:${'A'.repeat(26)}`,
    `p:${newId()}:$`,
    'x'.repeat(5_000),
  ];

  it('of conversations are checked wherever they come', async () => {
    const client = await running.online();
    for (const conversationId of bad) {
      const frames = [
        { send: { ...goodSend, conversationId, payload: { text: { text: 'a' } } } },
        { typing: { conversationId } },
        { ack: { cursors: [{ conversationId, seq: '1' }] } },
        { read: { cursors: [{ conversationId, seq: '1' }] } },
        { fetch: { conversationId } },
        { presenceSubscribe: { conversationIds: [conversationId] } },
      ];
      for (const frame of frames) {
        client.say({ requestId: 5, ...frame });
        const { error } = await client.next('error');
        expect(error).toMatchObject({ reason: 'INVALID_ARGUMENT' });
        expect(String(error?.['field'])).toMatch(/conversation_id/);
      }
    }
    expect(running.routers[0]?.sends).toEqual([]);
    client.ws.close();
  });

  it('of messages and users are checked', async () => {
    const client = await running.online();
    for (const clientMessageId of ['', '__proto__', 'a b', '$x', 'ä', 'x'.repeat(65)]) {
      client.say({ requestId: 6, send: { ...goodSend, clientMessageId, payload: { text: { text: 'a' } } } });
      const { error } = await client.next('error');
      expect(error).toMatchObject({ reason: 'INVALID_ARGUMENT', field: 'client_message_id' });
    }
    client.say({ requestId: 7, presenceSubscribe: { userIds: [newId(), '*'] } });
    expect(await client.next('error')).toMatchObject({ error: { field: 'user_ids[1]' } });
    client.ws.close();
  });

  it('of cursors in hello are checked, and the next hello may be right', async () => {
    const client = await running.connect();
    client.say({
      requestId: 1,
      hello: {
        cursors: [
          { conversationId: CONVERSATION, seq: '1' },
          { conversationId: '$', seq: '1' },
        ],
      },
    });
    expect(await client.next('error')).toMatchObject({ error: { field: 'cursors[1].conversation_id' } });
    client.say({ requestId: 2, hello: { cursors: [{ conversationId: CONVERSATION, seq: '18446744073709551615' }] } });
    expect(await client.next('error')).toMatchObject({ error: { field: 'cursors[0].seq' } });
    const tooMany = Array.from({ length: 501 }, () => ({ conversationId: `g:${newId()}`, seq: '1' }));
    client.say({ requestId: 3, hello: { cursors: tooMany } });
    expect(await client.next('error')).toMatchObject({ error: { field: 'cursors' } });
    client.say({ requestId: 4, hello: {} });
    await client.next('welcome');
    client.ws.close();
  });
});

describe('a send', () => {
  it('without payload or metadata is refused', async () => {
    const client = await running.online();
    client.say({ requestId: 1, send: goodSend });
    expect(await client.next('error')).toMatchObject({
      error: { field: 'payload', conversationId: CONVERSATION, clientMessageId: 'm1' },
    });
    const { conversationId, clientMessageId } = goodSend;
    client.say({ requestId: 3, send: { conversationId, clientMessageId, payload: { text: { text: 'a' } } } });
    expect(await client.next('error')).toMatchObject({ error: { field: 'metadata' } });
    const metadata = { targetSeq: '18446744073709551615' };
    client.say({ requestId: 4, send: { ...goodSend, metadata, payload: { text: { text: 'a' } } } });
    expect(await client.next('error')).toMatchObject({ error: { field: 'metadata.target_seq' } });
    client.ws.close();
  });

  it('that is too fast is refused with the time to wait; far too fast closes with 4429', async () => {
    const client = await running.online();
    const send = { ...goodSend, payload: { text: { text: 'a' } } };
    for (let index = 0; index < 7; index++) client.say({ requestId: index + 1, send });
    const { requestId, error } = await client.next('error');
    expect(requestId).toBe(6);
    expect(error).toMatchObject({ reason: 'RATE_LIMITED', conversationId: CONVERSATION, clientMessageId: 'm1' });
    expect(Number(error?.['retryAfterMs'])).toBeGreaterThan(0);
    for (let index = 0; index < 250; index++) client.say({ requestId: index + 1, send });
    expect(await client.closed()).toMatchObject({ code: 4429 });
  });

  it('is not taken while too many wait for their answers', async () => {
    const other = await runEdge({ env: { GODWIT_EDGE_MAX_UNACKED_SENDS: '3' } });
    try {
      const [router] = other.routers;
      if (router !== undefined) router.onSend = () => undefined;
      const client = await other.online();
      const send = { ...goodSend, payload: { text: { text: 'a' } } };
      for (let index = 1; index <= 4; index++) client.say({ requestId: index, send });
      expect(await client.next('error')).toMatchObject({ requestId: 4, error: { reason: 'TOO_MANY_UNACKED_SENDS' } });
      await waitFor(() => router?.sends.length === 3);
      for (const [index, item] of router?.sends.entries() ?? []) router?.stored(item, index + 1);
      await client.next('sendAck');
      client.say({ requestId: 9, send });
      await waitFor(() => router?.sends.length === 4);
    } finally {
      await other.stop();
    }
  });
});

describe('calls over HTTP', () => {
  const post = async (
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    token?: string,
  ): Promise<[number, Record<string, unknown>]> => {
    const headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const response = await fetch(`${running.httpUrl}${path}`, { method: 'POST', headers, body });
    return [response.status, (await response.json()) as Record<string, unknown>];
  };

  it('are refused with a reason', async () => {
    const token = await running.account.token(bystander.device);
    const cases: [string, string | Uint8Array<ArrayBuffer>, string | undefined, number, string][] = [
      ['/v1/getProfile', '{}', undefined, 401, 'UNAUTHENTICATED'],
      ['/v1/getProfile', '{}', 'nonsense', 401, 'UNAUTHENTICATED'],
      ['/v1/getProfile', '{"color":1}', token, 400, 'MALFORMED_REQUEST'],
      ['/v1/getProfile', '{"userId":5}', token, 400, 'MALFORMED_REQUEST'],
      ['/v1/getProfile', `${'['.repeat(50_000)}`, token, 400, 'MALFORMED_REQUEST'],
      ['/v1/getProfile', Uint8Array.from([0x7b, 0xff, 0x7d]), token, 400, 'MALFORMED_REQUEST'],
      ['/v1/findUser', '{"userName":"a","phone":"b"}', token, 400, 'MALFORMED_REQUEST'],
      ['/v1/constructor', '{}', token, 404, 'UNKNOWN_CALL'],
      ['/v1/__proto__', '{}', token, 404, 'UNKNOWN_CALL'],
      ['/v1/checkDevice', '{}', token, 404, 'UNKNOWN_CALL'],
      ['/v2/getProfile', '{}', token, 404, 'UNKNOWN_CALL'],
      ['/v1/getProfile', ' '.repeat(300_000), token, 413, 'TOO_LARGE'],
    ];
    for (const [path, body, bearer, status, reason] of cases) {
      const [answered, refusal] = await post(path, body, bearer);
      expect([path, answered, refusal['reason']]).toEqual([path, status, reason]);
    }
  });

  it('too many at a time are refused', async () => {
    const client = await running.online();
    const token = await running.account.token(client.device);
    const answers = await Promise.all(Array.from({ length: 12 }, () => post('/v1/getProfile', '{}', token)));
    expect(answers.map(([status]) => status)).toContain(429);
    for (let index = 1; index <= 3; index++) client.say({ requestId: index, call: { getProfile: {} } });
    expect(await client.next('error')).toMatchObject({ error: { reason: 'RATE_LIMITED' } });
    client.ws.close();
  });

  it('for who has no account yet are for HTTP only', async () => {
    const client = await running.online();
    client.say({ requestId: 1, call: { registerUser: {} } });
    expect(await client.next('error')).toMatchObject({ error: { reason: 'HTTP_ONLY' } });
    client.say({ requestId: 2, call: {} });
    expect(await client.next('error')).toMatchObject({ error: { field: 'call' } });
    client.ws.close();
  });
});
