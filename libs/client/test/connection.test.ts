import type { ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { protoCodec } from '../src/codec.js';
import { Connection } from '../src/connection.js';
import { NoAnswerError, RefusedError } from '../src/errors.js';
import type { AccessToken, TokenSource } from '../src/tokens.js';
import { fakeSockets } from './fake-socket.js';

const A = 'ws://a:1';
const B = 'ws://b:1';

/** Tokens t1, t2, ...: the next one when a renewal is asked for. */
class Tokens implements TokenSource {
  renewals = 0;
  asked = 0;
  failure: Error | undefined;

  accessToken(renew: boolean): Promise<AccessToken> {
    this.asked += 1;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (renew) this.renewals += 1;
    return Promise.resolve({ token: `t${String(this.renewals)}`, expiresAtMs: 5_000_000 + Date.now() + 900_000 });
  }
}

function connect(edges: readonly string[] = [A, B]) {
  const sockets = fakeSockets();
  const tokens = new Tokens();
  const states: string[] = [];
  const details: string[] = [];
  const ends: string[] = [];
  const frames: ServerFrame[] = [];
  const connection = new Connection(
    {
      edges,
      tokens,
      socket: sockets.factory,
      codec: protoCodec,
      ticket: () => Promise.resolve('ticket'),
      now: () => performance.now(),
    },
    {
      hello: () => ({ client: 'test' }),
      welcomed: () => undefined,
      frame: (frame) => frames.push(frame),
      state: (state, detail) => {
        states.push(state);
        details.push(detail);
      },
      ended: (reason) => ends.push(reason),
    },
  );
  return { connection, sockets, tokens, states, details, ends, frames };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const soon = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const after = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('Connection', () => {
  it('says hello first, is syncing when welcomed, and online when the sync is complete', async () => {
    const { connection, sockets, states } = connect();
    connection.start();
    await soon();
    expect(sockets.last().request).toMatchObject({ subprotocol: 'godwit.v1.proto', accessToken: 't0' });
    expect(connection.send({ case: 'ping', value: {} })).toBe(false);
    sockets.last().open();
    expect(sockets.last().bodies()).toEqual(['hello']);
    sockets.last().welcome();
    expect(connection.send({ case: 'ping', value: {} })).toBe(true);
    sockets.last().say({ case: 'syncComplete', value: {} });
    expect(states).toEqual(['connecting', 'syncing', 'online']);
    connection.stop('closed');
    expect(sockets.last().closedWith).toBe(1000);
  });

  it('moves on to the next edge, with waits that double until a sync is complete, and start anew then', async () => {
    const { connection, sockets, details } = connect();
    connection.start();
    await soon();
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      // Accepted and welcomed is not enough: an edge whose syncs fail must not be stormed.
      sockets.last().open();
      sockets.last().welcome();
      sockets.last().close(1013, 'sync failed');
      const from = Date.now();
      const count = sockets.all.length;
      while (sockets.all.length === count) await after(1);
      waits.push(Date.now() - from);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(details).toContain('closed with 1013: sync failed');
    expect(new Set(sockets.all.map(({ request }) => request.url))).toEqual(new Set([`${A}/v1/ws`, `${B}/v1/ws`]));
    sockets.last().online();
    sockets.last().close(1006);
    await after(250);
    expect(sockets.all).toHaveLength(11);
  });

  it('asks for another token after 4401, and only then', async () => {
    const { connection, sockets, tokens } = connect();
    connection.start();
    await soon();
    sockets.last().online();
    sockets.last().close(1006);
    await after(500);
    expect(sockets.last().request.accessToken).toBe('t0');
    sockets.last().close(4401);
    await after(1_000);
    expect(sockets.last().request.accessToken).toBe('t1');
    expect(tokens.renewals).toBe(1);
  });

  it('ends when signed out; goes on trying when nobody answers, or a proxy refuses', async () => {
    const { connection, tokens, sockets, ends } = connect();
    tokens.failure = new NoAnswerError('no edge answered');
    connection.start();
    await after(1_000);
    tokens.failure = new RefusedError({ reason: 'HTTP_502', message: 'bad gateway' });
    await after(10_000);
    expect(ends).toEqual([]);
    expect(sockets.all).toHaveLength(0);
    tokens.failure = new RefusedError({ reason: 'REFRESH_TOKEN_REUSED', message: '' });
    await after(60_000);
    expect(ends).toEqual(['signed-out']);
    const { asked } = tokens;
    await after(600_000);
    expect(tokens.asked).toBe(asked);
  });

  it('stays away after 4409', async () => {
    const { connection, sockets, ends } = connect();
    connection.start();
    await soon();
    sockets.last().online();
    sockets.last().close(4409, 'replaced');
    await after(600_000);
    expect(ends).toEqual(['replaced']);
    expect(sockets.all).toHaveLength(1);
  });

  it('leaves an edge in peace for a minute after 4429', async () => {
    const { connection, sockets } = connect();
    connection.start();
    await soon();
    sockets.last().online();
    sockets.last().close(4429);
    await after(59_000);
    expect(sockets.all).toHaveLength(1);
    await after(2_000);
    expect(sockets.all).toHaveLength(2);
  });

  it('renews its token on the open socket, by the server’s clock', async () => {
    const { connection, sockets, tokens } = connect();
    connection.start();
    await soon();
    sockets.last().online([], 300_000);
    await after(238_000);
    expect(tokens.renewals).toBe(0);
    await after(4_000);
    expect(tokens.renewals).toBe(1);
    const reauth = sockets
      .last()
      .frames.map(({ body }) => body)
      .find((body) => body.case === 'reauth');
    expect(reauth?.value).toMatchObject({ accessToken: 't1' });
    expect(sockets.all).toHaveLength(1);
  });

  it('does not renew a short-lived token over and over', async () => {
    const { connection, sockets, tokens } = connect();
    vi.spyOn(tokens, 'accessToken').mockImplementation((renew) => {
      if (renew) tokens.renewals += 1;
      return Promise.resolve({ token: 't', expiresAtMs: 5_000_000 + performance.now() + 30_000 });
    });
    connection.start();
    await soon();
    sockets.last().online([], 30_000);
    await after(59_000);
    expect(tokens.renewals).toBe(2);
  });

  it('a renewal that fails for now is tried again, one that fails for good is left to the server', async () => {
    const { connection, sockets, tokens, ends } = connect();
    connection.start();
    await soon();
    sockets.last().online([], 90_000);
    tokens.failure = new NoAnswerError('no edge answered');
    const before = tokens.asked;
    await after(85_000);
    expect(tokens.asked - before).toBeGreaterThanOrEqual(2);
    tokens.failure = new RefusedError({ reason: 'TOKEN_EXPIRED', message: '' });
    await after(12_000);
    const asked = tokens.asked;
    await after(60_000);
    expect(tokens.asked).toBe(asked);
    expect(ends).toEqual([]);
    sockets.last().close(4401);
    await after(1_000);
    expect(ends).toEqual(['signed-out']);
  });

  it('pings while idle, and leaves an edge that is silent', async () => {
    const { connection, sockets, states } = connect();
    connection.start();
    await soon();
    sockets.last().online();
    await after(120_000);
    const pings = sockets
      .last()
      .bodies()
      .filter((body) => body === 'ping').length;
    expect(pings).toBeGreaterThanOrEqual(6);
    expect(pings).toBeLessThanOrEqual(12);
    expect(states.at(-1)).toBe('online');
    sockets.alive = false;
    await after(70_000);
    expect(states).toContain('offline');
    expect(sockets.all.length).toBeGreaterThan(1);
  });

  it('leaves an edge that accepts and does not welcome, or refuses the hello, or sends what is no frame', async () => {
    const { connection, sockets, details } = connect();
    connection.start();
    await soon();
    sockets.last().open();
    await after(12_000);
    expect(sockets.all).toHaveLength(2);
    sockets.last().open();
    sockets.last().say({ case: 'error', value: { reason: 'INVALID_ARGUMENT' } }, 2);
    await after(1_000);
    expect(sockets.all).toHaveLength(3);
    sockets.last().open();
    sockets.last().raw(new Uint8Array([255, 255, 255]));
    await after(2_000);
    expect(sockets.all).toHaveLength(4);
    expect(details).toContain('no welcome in time');
    expect(details).toContain('hello was refused: INVALID_ARGUMENT');
  });

  it('goes elsewhere when told to, after the time told, to the edge told', async () => {
    const { connection, sockets } = connect([A]);
    connection.start();
    await soon();
    sockets.last().online([A, B]);
    sockets.last().say({ case: 'reconnect', value: { delayMs: 3_000, edge: B } });
    await after(2_900);
    expect(sockets.all).toHaveLength(1);
    await after(200);
    expect(sockets.last().request.url).toBe(`${B}/v1/ws`);
    expect(sockets.all[0]?.closedWith).toBe(1000);
    // What the old socket says late is not heard.
    sockets.all[0]?.close(1001);
    await after(60_000);
    expect(sockets.all.length).toBeGreaterThan(1);
  });

  it('keeps the edges it was configured with beside those that the server names', async () => {
    const { connection, sockets } = connect(['wss://lb.example/']);
    connection.start();
    await soon();
    sockets.last().online(['ws://10.0.0.1:8080', 'ws://10.0.0.2:8080']);
    expect(connection.edge).toBe('wss://lb.example');
    const tried = new Set<string>();
    for (let i = 0; i < 6; i += 1) {
      sockets.last().close(1006);
      const count = sockets.all.length;
      while (sockets.all.length === count) await after(50);
      tried.add(connection.edge);
    }
    expect(tried).toEqual(new Set(['wss://lb.example', 'ws://10.0.0.1:8080', 'ws://10.0.0.2:8080']));
  });

  it('survives a socket factory that throws', async () => {
    const { tokens } = connect();
    let tries = 0;
    const details: string[] = [];
    const connection = new Connection(
      {
        edges: [A],
        tokens,
        socket: () => {
          tries += 1;
          throw new SyntaxError('an invalid URL');
        },
        codec: protoCodec,
        ticket: () => Promise.resolve(''),
        now: () => performance.now(),
      },
      {
        hello: () => ({}),
        welcomed: () => undefined,
        frame: () => undefined,
        state: (_state, detail) => details.push(detail),
        ended: () => undefined,
      },
    );
    connection.start();
    await after(3_000);
    expect(tries).toBeGreaterThan(1);
    expect(details).toContain('an invalid URL');
    connection.stop('closed');
  });

  it('leaves no timer behind when stopped', async () => {
    const { connection, sockets } = connect();
    connection.start();
    await soon();
    sockets.last().online();
    sockets.last().say({ case: 'reconnect', value: { delayMs: 30_000, edge: '' } });
    connection.stop('closed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('refuses addresses that are none', () => {
    expect(() => connect([])).toThrow('at least one edge');
    expect(() => connect(['example.com'])).toThrow('not the address of an edge');
    expect(connect(['https://edge.example/']).connection.edge).toBe('wss://edge.example');
  });
});
