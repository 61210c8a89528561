import { createContext, runInContext } from 'node:vm';
import WebSocket from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Calls from '../src/calls.js';
import type * as Client from '../src/client.js';
import type * as Storage from '../src/storage.js';
import type * as Tokens from '../src/tokens.js';
import type * as WebSockets from '../src/web-socket.js';
import { bundleCore } from './bundle-core.js';
import { FakeEdge } from './fake-edge.js';

type Core = typeof Client & typeof Calls & typeof Storage & typeof Tokens & typeof WebSockets;

let edge: FakeEdge;
let bundle: Awaited<ReturnType<typeof bundleCore>>;
beforeAll(async () => {
  [edge, bundle] = await Promise.all([FakeEdge.start(), bundleCore()]);
});
afterAll(() => edge.stop());

/** As little as React Native has: no process, Buffer, require, AbortSignal.timeout, structuredClone, Symbol.asyncDispose. */
function bareGlobals(): Record<string, unknown> {
  class BareAbortController {
    readonly signal = { aborted: false };
    abort(): void {
      this.signal.aborted = true;
    }
  }
  return {
    WebSocket,
    fetch: (url: string, init: RequestInit) => fetch(url, { ...init, signal: null }),
    crypto: { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) },
    performance: { now: () => performance.now() },
    AbortController: BareAbortController,
    TextEncoder,
    TextDecoder,
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    queueMicrotask,
  };
}

describe('the core of the SDK', () => {
  it('connects, sends and receives where there are web standards only', async () => {
    const context = createContext(bareGlobals());
    expect(runInContext('typeof process + typeof Buffer + typeof require', context)).toBe('undefined'.repeat(3));
    runInContext(bundle.code, context);
    const core = runInContext('godwit', context) as Core;
    const tokens = new core.RefreshingTokens(core.memoryStorage(), core.httpCalls([edge.address], undefined));
    await tokens.replace({ accessToken: 'browser', accessExpiresAtMs: Date.now() + 1_000, refreshToken: 'r0' });
    const client = new core.GodwitClient({ edges: [edge.address], tokens, socket: core.webSocket });
    const texts: string[] = [];
    client.on('message', ({ content }) => {
      if (content.case === 'text') texts.push(content.value.text);
    });
    edge.append('g:x', 'missed');
    await client.connect();
    expect(texts).toEqual(['missed']);
    // A renewed token, a ticket for it, and a socket with that.
    expect(edge.refreshed).toBe(1);
    expect(edge.upgrades).toEqual([{ authorization: undefined, protocols: ['godwit.v1.proto', 'ticket.fresh1'] }]);
    expect(await client.send('g:x', { text: 'hello' })).toMatchObject({ seq: 2 });
    expect(edge.texts('g:x')).toEqual(['missed', 'hello']);
    await client.close();
  });

  it('imports nothing of Node, and not the ws package', () => {
    expect(bundle.imports).toEqual([]);
    expect(bundle.modules.filter((id) => /node_modules\/ws\/|node-socket|file-storage/.test(id))).toEqual([]);
    expect(bundle.code).not.toMatch(/\brequire\(|from ["']node:/);
  });

  it('stays small enough for a page', () => {
    console.log(`core bundle: ${String(Math.round(bundle.code.length / 1024))} KiB before minifying`);
    expect(bundle.code.length).toBeLessThan(700 * 1024);
  });
});
