import WebSocket from 'ws';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { httpCalls } from '../src/calls.js';
import { GodwitClient } from '../src/client.js';
import { memoryStorage } from '../src/storage.js';
import { RefreshingTokens } from '../src/tokens.js';
import { webSocket } from '../src/web-socket.js';
import { FakeEdge } from './fake-edge.js';

let edge: FakeEdge;
beforeEach(async () => {
  edge = await FakeEdge.start();
  vi.stubGlobal('WebSocket', WebSocket);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await edge.stop();
});

async function signedIn(token: string, refreshToken = 'r0'): Promise<GodwitClient> {
  const tokens = new RefreshingTokens(memoryStorage(), httpCalls([edge.address]));
  await tokens.replace({ accessToken: token, accessExpiresAtMs: Date.now() + 600_000, refreshToken });
  return new GodwitClient({ edges: [edge.address], tokens, socket: webSocket });
}

describe('webSocket', () => {
  it('offers a ticket as its second subprotocol, and never the token', async () => {
    await using client = await signedIn('laptop');
    await client.connect();
    expect(edge.upgrades).toEqual([{ authorization: undefined, protocols: ['godwit.v1.proto', 'ticket.laptop'] }]);
    expect((await client.send('g:x', { text: 'hi' })).seq).toBe(1);
  });

  it('renews a token for which it gets no ticket, though by the device’s clock it is good', async () => {
    edge.allowed = new Set(['good']);
    await using client = await signedIn('expired');
    await client.connect();
    expect(edge.refreshed).toBe(1);
    expect(client.deviceId).toBe('fresh1');
  });

  it('ends when the refresh token is not good either', async () => {
    edge.allowed = new Set();
    await using client = await signedIn('expired', 'revoked');
    await expect(client.connect()).rejects.toThrow('signed-out');
  });
});
