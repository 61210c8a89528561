import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '@godwit/ids/id';
import { status } from '@grpc/grpc-js';
import { RpcError } from '@godwit/rpc/rpc-error';
import { waitFor } from '@godwit/testkit/wait-for';
import { newDevice } from './fake-fleet.js';
import { runEdge, type RunningEdge } from './running-edge.js';

let running: RunningEdge;
beforeAll(async () => {
  running = await runEdge();
});
afterAll(async () => {
  await running.stop();
});

describe('a call', () => {
  it.each([true, false])('over the socket acts for its device (json: %s)', async (json) => {
    const client = await running.online({ json });
    client.say({ requestId: 9, call: { getProfile: {} } });
    const { userId, deviceId } = client.device;
    expect(await client.next('callResult')).toMatchObject({
      requestId: 9,
      callResult: { getProfile: { profile: { userId, displayName: 'Ann' } } },
    });
    expect(running.account.actors.at(-1)).toBe(`${userId}/${deviceId}`);
    client.ws.close();
  });

  it('over HTTP acts for the owner of the token', async () => {
    const device = newDevice();
    const response = await fetch(`${running.httpUrl}/v1/getProfile`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await running.account.token(device)}` },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ profile: { userId: device.userId } });
  });

  it('goes to the router of its conversation, with a payload in canonical form', async () => {
    const client = await running.online();
    const conversationId = `g:${newId()}`;
    const sendMessage = { conversationId, clientMessageId: 'm1', payload: { text: { text: 'hi' } } };
    client.say({ requestId: 1, call: { sendMessage } });
    expect(await client.next('callResult')).toMatchObject({ callResult: { sendMessage: { ack: { seq: '5' } } } });
    expect(running.routers[0]?.actors).toEqual([`${client.device.userId}/${client.device.deviceId}`]);
    client.ws.close();
  });

  it('that is refused says so with reason, field and time to wait, over both', async () => {
    const fields = { reason: 'TOO_MANY_CODES', message: 'wait', field: 'user_id', retryAfterMs: 2_500 };
    const refusing = await runEdge({
      account: { getProfile: () => Promise.reject(new RpcError({ code: status.RESOURCE_EXHAUSTED, ...fields })) },
    });
    try {
      const client = await refusing.online();
      client.say({ requestId: 1, call: { getProfile: {} } });
      expect((await client.next('callResult'))['callResult']).toEqual({ refused: fields });
      const authorization = `Bearer ${await refusing.account.token(client.device)}`;
      const url = `${refusing.httpUrl}/v1/getProfile`;
      const response = await fetch(url, { method: 'POST', headers: { authorization } });
      expect(response.status).toBe(429);
      expect(response.headers.get('retry-after')).toBe('3');
      expect(await response.json()).toEqual(fields);
    } finally {
      await refusing.stop();
    }
  });

  it('of a service that is away is refused for now', async () => {
    const client = await running.online();
    client.say({ requestId: 2, call: { createGroup: { name: 'Birds' } } });
    const { callResult } = await client.next('callResult');
    expect(callResult).toMatchObject({ refused: { reason: 'NOT_FAKED', retryAfterMs: 1_000 } });
    const response = await fetch(`${running.httpUrl}/v1/createGroup`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await running.account.token(client.device)}` },
      body: '{"name":"Birds"}',
    });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ reason: 'NOT_FAKED' });
    client.ws.close();
  });
});

describe('presence', () => {
  it('hears of sockets and subscriptions, and its updates go through', async () => {
    const client = await running.online();
    const handle = running.session.handleOf(client.device.deviceId);
    await waitFor(() =>
      running.presence.frames.some(({ connected }) => connected.some((one) => one.handle === handle)),
    );
    const friend = newId();
    client.say({ requestId: 4, presenceSubscribe: { userIds: [friend] } });
    expect(await client.next('done')).toMatchObject({ requestId: 4 });
    const presence = { userId: friend, online: true, lastSeenMs: 0 };
    running.presence.stream?.send({
      updates: [{ handles: [handle], update: { $case: 'presence', value: presence } }],
      subscribeOutcomes: [],
    });
    expect(await client.next('presence')).toMatchObject({ presence: { userId: friend, online: true } });
    client.say({ typing: { conversationId: `g:${newId()}` } });
    await waitFor(() => running.presence.frames.some(({ typings }) => typings.length === 1));
    client.ws.close();
    await waitFor(() =>
      running.presence.frames.some(({ disconnected }) => disconnected.some((one) => one.handle === handle)),
    );
  });

  it('that is away refuses subscriptions, and is told everything when it is back', async () => {
    const other = await runEdge({ env: { GODWIT_EDGE_MAX_SUBSCRIPTIONS: '3' } });
    try {
      const client = await other.online();
      const [friend, second] = [newId(), newId()];
      client.say({ requestId: 1, presenceSubscribe: { userIds: [friend] } });
      await client.next('done');
      const { port } = other.presence.address;
      await other.presence.stop();
      client.say({ requestId: 2, presenceSubscribe: { userIds: [second] } });
      expect(await client.next('error')).toMatchObject({ requestId: 2, error: { reason: 'UNAVAILABLE' } });
      client.say({ requestId: 3, presenceSubscribe: { userIds: [newId(), newId(), newId()] } });
      expect(await client.next('error')).toMatchObject({ error: { reason: 'TOO_MANY_SUBSCRIPTIONS' } });
      other.presence.frames.length = 0;
      await other.presence.start(port);
      await waitFor(() => other.presence.frames.some(({ connected }) => connected.length === 1), { timeoutMs: 8_000 });
      await waitFor(() => other.presence.frames.some(({ subscribes }) => subscribes[0]?.userIds.includes(friend)));
    } finally {
      await other.stop();
    }
  });
});

describe('an edge over HTTP', () => {
  const get = async (path: string): Promise<Response> => fetch(`${running.httpUrl}${path}`);

  it('describes its calls', async () => {
    const document = (await (await get('/v1/openapi.json')).json()) as {
      paths: Record<string, { post: { security: unknown[] } }>;
      components: { schemas: Record<string, { properties: Record<string, unknown> }> };
    };
    expect(Object.keys(document.paths)).toContain('/v1/createGroup');
    expect(document.paths['/v1/registerUser']?.post.security).toEqual([]);
    const { schemas } = document.components;
    expect(schemas['group.v1.CreateGroupRequest']?.properties['memberUserIds']).toEqual({
      type: 'array',
      items: { type: 'string' },
    });
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(Object.keys(schemas)).toContain(name);
    }
  });

  it('gives its keys, its health and a word on itself', async () => {
    expect(await (await get('/.well-known/jwks.json')).json()).toMatchObject({ keys: [{ kty: 'OKP', alg: 'EdDSA' }] });
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    expect(await (await get('/')).text()).toMatch(/Godwit/);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('/v1/ws')).status).toBe(426);
    expect((await get('/v1/getProfile')).status).toBe(405);
    const metrics = await (await fetch(`http://127.0.0.1:${String(running.edge.httpPort)}/metrics`)).text();
    expect(metrics).toMatch(/godwit_edge_sockets\{[^}]*\} \d/);
  });

  it('lets pages of allowed origins call', async () => {
    const headers = { origin: 'https://chat.example', 'access-control-request-method': 'POST' };
    const preflight = await fetch(`${running.httpUrl}/v1/getProfile`, { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://chat.example');
    expect(preflight.headers.get('access-control-allow-headers')).toMatch(/authorization/);
    const strict = await runEdge({ env: { GODWIT_EDGE_ORIGINS: 'https://ours.example' } });
    try {
      const refused = await fetch(`${strict.httpUrl}/`, { headers });
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    } finally {
      await strict.stop();
    }
  });
});
