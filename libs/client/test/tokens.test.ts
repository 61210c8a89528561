import { describe, expect, it } from 'vitest';
import { httpCalls, type HttpCalls } from '../src/calls.js';
import { memoryStorage } from '../src/storage.js';
import { RefreshingTokens } from '../src/tokens.js';

/** An account service in which every refresh token is good once. */
function account(): { http: HttpCalls; used: string[] } {
  const used: string[] = [];
  const answer = async (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    const { refreshToken } = JSON.parse(init?.body as string) as { refreshToken: string };
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (used.includes(refreshToken)) {
      return Response.json({ reason: 'REFRESH_TOKEN_REUSED', message: 'used' }, { status: 401 });
    }
    used.push(refreshToken);
    const tokens = {
      accessToken: `a${String(used.length)}`,
      accessExpiresAtMs: String(Date.now() + 900_000),
      refreshToken: `r${String(used.length)}`,
    };
    return Response.json({ tokens });
  };
  return { http: httpCalls(['ws://edge:1'], answer), used };
}

const expired = { accessToken: 'a0', accessExpiresAtMs: 0, refreshToken: 'r0' };

describe('RefreshingTokens', () => {
  it('exchanges a refresh token once, however many ask at once, and keeps the next', async () => {
    const { http, used } = account();
    const storage = memoryStorage();
    await new RefreshingTokens(storage, http).replace(expired);
    const tokens = new RefreshingTokens(storage, http);
    const got = await Promise.all([1, 2, 3, 4].map(() => tokens.accessToken(false)));
    expect(new Set(got.map(({ token }) => token))).toEqual(new Set(['a1']));
    expect(used).toEqual(['r0']);
    const restarted = new RefreshingTokens(storage, http);
    expect((await restarted.accessToken(false)).token).toBe('a1');
    expect((await restarted.accessToken(true)).token).toBe('a2');
    expect(used).toEqual(['r0', 'r1']);
  });

  it('what was set while the storage was read counts', async () => {
    const { http } = account();
    const storage = memoryStorage();
    await new RefreshingTokens(storage, http).replace(expired);
    const slow = {
      ...storage,
      entries: async (prefix: string) => {
        const found = await storage.entries(prefix);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return found;
      },
    };
    const tokens = new RefreshingTokens(slow, http);
    const asked = tokens.accessToken(false);
    await tokens.replace({ accessToken: 'new', accessExpiresAtMs: Date.now() + 900_000, refreshToken: 'rn' });
    expect((await asked).token).toBe('new');
  });

  it('says when nobody is signed in', async () => {
    const { http } = account();
    await expect(new RefreshingTokens(memoryStorage(), http).accessToken(false)).rejects.toMatchObject({
      reason: 'UNAUTHENTICATED',
    });
  });
});

describe('httpCalls', () => {
  const answering = (answers: Record<string, () => Response>): { http: HttpCalls; asked: string[] } => {
    const asked: string[] = [];
    const fetchImpl = (url: string): Promise<Response> => {
      asked.push(url);
      const answer = Object.entries(answers).find(([address]) => url.startsWith(address))?.[1];
      if (answer === undefined)
        return Promise.reject(new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }));
      return Promise.resolve(answer());
    };
    return { http: httpCalls(['wss://one/', 'ws://two:2'], fetchImpl as unknown as typeof fetch), asked };
  };

  it('asks the next edge when one does not answer, and stays with the one that does', async () => {
    const { http, asked } = answering({ 'http://two:2': () => Response.json({ ticket: 't' }) });
    expect((await http.call('createTicket', {}, 'token')).ticket).toBe('t');
    expect((await http.call('createTicket', {}, 'token')).ticket).toBe('t');
    expect(asked).toEqual([
      'https://one/v1/createTicket',
      'http://two:2/v1/createTicket',
      'http://two:2/v1/createTicket',
    ]);
  });

  it('says why when none answers', async () => {
    const { http } = answering({});
    await expect(http.call('createTicket', {})).rejects.toThrow(
      'no edge answered (https://one: ECONNREFUSED; http://two:2: ECONNREFUSED)',
    );
  });

  it('gives refusals as they are, and takes a proxy’s page for a failure that passes', async () => {
    const refusal = { reason: 'USER_NAME_TAKEN', message: 'taken', field: 'user_name' };
    const refused = answering({ 'https://one': () => Response.json(refusal, { status: 409 }) });
    await expect(refused.http.call('updateProfile', {})).rejects.toMatchObject({ ...refusal, retryAfterMs: 0 });
    const proxy = answering({ 'https://one': () => new Response('<h1>Bad gateway</h1>', { status: 502 }) });
    await expect(proxy.http.call('updateProfile', {})).rejects.toMatchObject({
      reason: 'HTTP_502',
      retryAfterMs: 1_000,
    });
    const login = answering({ 'https://one': () => new Response('<h1>Sign in to the hotel</h1>') });
    await expect(login.http.call('updateProfile', {})).rejects.toThrow('something else than JSON');
  });
});
