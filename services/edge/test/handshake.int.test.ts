import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newDevice } from './fake-fleet.js';
import { runEdge, type RunningEdge } from './running-edge.js';
import { connect, refusedHandshake } from './ws-client.js';
import { WebSocket } from 'ws';

let running: RunningEdge;
beforeAll(async () => {
  running = await runEdge();
});
afterAll(async () => {
  await running.stop();
});

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('a handshake', () => {
  it.each([true, false])('ends in a welcome and a sync (json: %s)', async (json) => {
    const client = await running.connect({ json });
    client.say({ requestId: 7, hello: { client: 'test/1', epoch: '5' } });
    const { requestId, welcome } = await client.next('welcome');
    expect(requestId).toBe(7);
    expect(welcome).toMatchObject({
      userId: client.device.userId,
      deviceId: client.device.deviceId,
      heartbeatMs: 20_000,
      limits: { maxFrameBytes: 65_536, sendsPerSecond: 20, maxTextBytes: 16_384 },
      edges: ['ws://127.0.0.1:8080'],
    });
    expect(Number(welcome?.['epoch'])).toBeGreaterThan(5);
    await client.next('syncComplete');
    client.ws.close();
  });

  it('says 400 to no subprotocol and to an unknown one', async () => {
    const headers = bearer(await running.account.token(newDevice()));
    for (const subprotocols of [[], ['chat'], ['godwit.v2.json', 'ticket.x']]) {
      const { status, body } = await refusedHandshake(running.url, { subprotocols, headers });
      expect(status).toBe(400);
      expect(body).toMatchObject({ reason: 'UNKNOWN_SUBPROTOCOL' });
    }
  });

  it('says 401 without a token, and to a forged, an expired, a foreign and a nonsensical one', async () => {
    const { account } = running;
    const device = newDevice();
    const cases: [string | undefined, string][] = [
      [undefined, 'UNAUTHENTICATED'],
      ['', 'UNAUTHENTICATED'],
      ['not-a-token', 'UNAUTHENTICATED'],
      [await account.token(device, { forged: true }), 'UNAUTHENTICATED'],
      [await account.token(device, { validSeconds: -60 }), 'TOKEN_EXPIRED'],
      [await account.token({ userId: '$where', deviceId: '__proto__' }), 'UNAUTHENTICATED'],
      [await account.token({ ...device, userId: 'constructor' }), 'UNAUTHENTICATED'],
      [`${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`, 'UNAUTHENTICATED'],
    ];
    for (const [token, reason] of cases) {
      const headers = token === undefined ? {} : bearer(token);
      const { status, body } = await refusedHandshake(running.url, { subprotocols: ['godwit.v1.json'], headers });
      expect(status).toBe(401);
      expect(body).toMatchObject({ reason });
    }
  });

  it('never takes a token from the URL', async () => {
    const token = await running.account.token(newDevice());
    const url = `${running.url}?access_token=${token}&token=${token}`;
    const { status } = await refusedHandshake(url, { subprotocols: ['godwit.v1.json'] });
    expect(status).toBe(401);
  });

  it('says 401 to a removed device whose token is still good', async () => {
    const device = newDevice();
    running.account.removed.add(device.deviceId);
    const headers = bearer(await running.account.token(device));
    const { status } = await refusedHandshake(running.url, { subprotocols: ['godwit.v1.proto'], headers });
    expect(status).toBe(401);
  });

  it('takes a ticket once', async () => {
    const device = newDevice();
    running.account.know(device);
    running.account.tickets.set('t1', { ...device, tokenExpiresAtMs: Date.now() + 60_000 });
    const subprotocols = ['godwit.v1.json', 'ticket.t1'];
    const ws = new WebSocket(running.url, subprotocols);
    await new Promise((resolve) => ws.once('open', resolve));
    expect(ws.protocol).toBe('godwit.v1.json');
    ws.close();
    const { status } = await refusedHandshake(running.url, { subprotocols });
    expect(status).toBe(401);
  });

  it('fetches keys anew for a key id that it does not know, but not all the time', async () => {
    const { account } = running;
    account.rotateKey();
    const fetched = account.keyFetches;
    // The keys were fetched a moment ago, so this one has to wait its turn.
    const headers = bearer(await account.token(newDevice()));
    const { status } = await refusedHandshake(running.url, { subprotocols: ['godwit.v1.json'], headers });
    expect(status).toBe(401);
    expect(account.keyFetches).toBe(fetched);
  });
});

describe('a device', () => {
  it('has one socket: the newer wins, the older is closed with 4409', async () => {
    const other = await runEdge();
    try {
      const older = await other.online();
      const newer = await other.online({ device: older.device, token: await other.account.token(older.device) });
      expect(await older.closed()).toMatchObject({ code: 4409 });
      newer.say({ requestId: 3, ping: {} });
      expect(await newer.next('pong')).toMatchObject({ requestId: 3 });
    } finally {
      await other.stop();
    }
  });

  it('is closed with 4401 when it is signed out', async () => {
    const other = await runEdge();
    try {
      const client = await other.online();
      other.session.evict(other.session.handleOf(client.device.deviceId), 2);
      expect(await client.closed()).toMatchObject({ code: 4401 });
    } finally {
      await other.stop();
    }
  });
});

describe('a token', () => {
  it('is renewed on the socket, for the same device only', async () => {
    const other = await runEdge();
    try {
      const client = await other.online();
      const { userId } = client.device;
      client.say({ requestId: 4, reauth: { accessToken: await other.account.token(client.device) } });
      expect(await client.next('done')).toMatchObject({ requestId: 4 });
      client.say({ requestId: 5, reauth: { accessToken: await other.account.token(newDevice(userId)) } });
      expect(await client.next('error')).toMatchObject({ requestId: 5, error: { reason: 'UNAUTHENTICATED' } });
      const expired = await other.account.token(client.device, { validSeconds: -60 });
      client.say({ requestId: 6, reauth: { accessToken: expired } });
      expect(await client.next('error')).toMatchObject({ requestId: 6, error: { reason: 'TOKEN_EXPIRED' } });
    } finally {
      await other.stop();
    }
  });

  it('that has expired for a minute closes its socket with 4401, one without hello goes with 4408', async () => {
    let ahead = 0;
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
    const other = await runEdge({ overrides: { clock } });
    try {
      const client = await other.online();
      const silent = await other.connect();
      ahead = 11_000;
      expect(await silent.closed()).toMatchObject({ code: 4408 });
      ahead = 900_000 + 30_000;
      client.say({ requestId: 9, ping: {} });
      await client.next('pong');
      ahead = 900_000 + 62_000;
      expect(await client.closed()).toMatchObject({ code: 4401 });
    } finally {
      await other.stop();
    }
  });
});

describe('an edge that stops', () => {
  it('tells its sockets when to come back, closes them with 1001 and unregisters them', async () => {
    const other = await runEdge();
    const clients = await Promise.all([other.online(), other.online({ json: false }), other.online()]);
    const handles = clients.map(({ device }) => other.session.handleOf(device.deviceId));
    clients[0].say({ ack: { cursors: [{ conversationId: 'g:aaaaaaaaaaaaaaaaaaaaaaaaaa', seq: '4' }] } });
    const stopping = other.life.stop();
    for (const client of clients) {
      const { reconnect } = await client.next('reconnect');
      expect(Number(reconnect?.['delayMs'])).toBeGreaterThan(0);
      expect(await client.closed()).toMatchObject({ code: 1001 });
    }
    await stopping;
    expect(other.session.unregistered.sort()).toEqual(handles.sort());
    const cursors = other.routers[0]?.frames.flatMap((frame) => frame.cursors) ?? [];
    expect(cursors).toMatchObject([{ deliveredSeq: 4, deviceId: clients[0].device.deviceId }]);
    await other.stop();
  });
});

it('does not let anybody in on a connection that is refused', async () => {
  await expect(connect(running.url, { json: true, token: 'nonsense', device: newDevice() })).rejects.toThrow(/401/);
});
