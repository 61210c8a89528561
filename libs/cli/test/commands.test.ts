import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ALICE, BOB, CHAT, FakeApi, GROUP } from './fake-api.js';

let api: FakeApi;
beforeEach(async () => {
  api = await FakeApi.start();
  vi.stubEnv('GODWIT_HOME', api.home);
  vi.stubEnv('NO_COLOR', '1');
  await api.signIn();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await api.stop();
});

const sent = (): unknown => api.calls.find(({ name }) => name === 'sendMessage')?.request;
const stored = (seq: string) => ({
  ack: { conversationId: CHAT, clientMessageId: 'm', seq, serverTimeMs: '1764000000000' },
});

describe('send', () => {
  it('sends to a user by name, and says where the message stands', async () => {
    api.on('sendMessage', () => stored('7'));
    expect(await api.run('send', '@bob', 'hello', 'there')).toMatchObject({ out: '✓ #7\n', code: 0 });
    expect(sent()).toMatchObject({
      conversationId: CHAT,
      metadata: { kind: 'KIND_TEXT' },
      payload: { text: { text: 'hello there' } },
    });
  });

  it('gives a script what it needs', async () => {
    api.on('sendMessage', () => stored('7'));
    const { json } = await api.run('--json', 'send', '+12025550102', 'x', '--id', 'job-17');
    expect(json()).toEqual([
      { conversationId: CHAT, clientMessageId: 'job-17', seq: 7, serverTimeMs: 1_764_000_000_000, duplicate: false },
    ]);
  });

  it('tries again with the same id, marked as a retry, when the fleet can’t now', async () => {
    let tries = 0;
    api.on('sendMessage', () =>
      (tries += 1) < 3
        ? { status: 503, body: { reason: 'UNAVAILABLE', message: 'busy', retryAfterMs: 1 } }
        : stored('1'),
    );
    expect((await api.run('send', CHAT, 'x')).code).toBe(0);
    const requests = api.calls.filter(({ name }) => name === 'sendMessage').map(({ request }) => request);
    expect(requests.map(({ retry = false }) => retry)).toEqual([false, true, true]);
    expect(new Set(requests.map(({ clientMessageId }) => clientMessageId)).size).toBe(1);
  });

  it('knows replies, reactions, edits, deletes, places, and groups by name', async () => {
    api.on('sendMessage', () => stored('9'));
    const payload = async (...words: string[]): Promise<unknown> => {
      api.calls.length = 0;
      await api.run('send', ...words);
      return sent();
    };
    expect(await payload('bob', 'yes', '--reply', '3')).toMatchObject({ metadata: { targetSeq: '3' } });
    expect(await payload('bob', '--react', '🐦', '--to-seq', '3')).toMatchObject({
      payload: { reaction: { emoji: '🐦' } },
    });
    expect(await payload('bob', 'x', '--edit', '--to-seq', '#3')).toMatchObject({ payload: { edit: { text: 'x' } } });
    expect(await payload('bob', '--delete', '--to-seq', '3')).toMatchObject({ payload: { delete: {} } });
    expect(await payload('bob', 'Nome', '--location', '64.5,-165.4')).toMatchObject({
      payload: { location: { latitude: 64.5, longitude: -165.4, name: 'Nome' } },
    });
    expect(await payload('birds', 'x')).toMatchObject({ conversationId: GROUP });
  });

  it.each([
    [['send', 'bob'], 'there is no text to send'],
    [['send', 'bob', '--react', '🐦'], 'Say --to-seq'],
    [['send', 'bob', '--delete', '--edit', 'x', '--to-seq', '1'], 'at a time'],
    [['send', 'bob', 'x', '--reply', 'abc'], 'A whole number is wanted, 1 or more.'],
    [['send', 'bob', 'x', '--location', '100,0'], 'Latitude and longitude are wanted'],
    [['history', 'bob', '-n', '0'], '1 to 256'],
    [['history', 'bob', '--since', 'yesterday'], 'A time is wanted'],
    [['send', '@alice2', 'x', '--nonsense'], "unknown option '--nonsense'"],
    [['privacy', '--online', 'friends'], 'Allowed choices are everyone, contacts, nobody'],
    [['group', 'update', 'Birds', '--send', 'nobody'], 'Allowed choices are everyone, admins'],
    [['group', 'update', 'Birds'], 'what is to change?'],
    [['--profile', '../x', 'whoami'], 'is not a profile name'],
    [['--edge', 'nonsense', 'find', 'bob'], 'not the address of an edge'],
  ])('%j is wrong usage: says what, and exits with 2', async (words, why) => {
    const { code, error } = await api.run(...words);
    expect(error).toContain(why);
    expect(code).toBe(2);
    expect(sent()).toBeUndefined();
  });
});

describe('errors', () => {
  it('of wrong usage are JSON too, where that is wanted', async () => {
    expect(JSON.parse((await api.run('--json', 'frob')).error)).toEqual({ error: "unknown command 'frob'", exit: 2 });
    expect(JSON.parse((await api.run('--json')).error)).toEqual({ error: 'which command?', exit: 2 });
  });

  it('name the field that is wrong, and no field where there is none', async () => {
    const refused = (field: string, message: string) => ({
      status: 400,
      body: { reason: 'INVALID_ARGUMENT', message, field },
    });
    api.on('createGroup', () => refused('name', 'takes 1 to 100 characters'));
    expect((await api.run('group', 'create', 'x')).error).toBe(
      'godwit: name: takes 1 to 100 characters [INVALID_ARGUMENT (name)]',
    );
    api.on('leaveGroup', () => ({
      status: 403,
      body: { reason: 'OWNER_MUST_TRANSFER', message: 'hand it over', field: '' },
    }));
    expect((await api.run('group', 'leave', 'Birds')).error).toBe('godwit: hand it over [OWNER_MUST_TRANSFER]');
  });
});

describe('exit codes', () => {
  it('1 and the reason when refused', async () => {
    api.on('sendMessage', () => ({ refused: { reason: 'BLOCKED', message: 'bob has blocked you' } }));
    const { code, error } = await api.run('send', 'bob', 'x');
    expect(error).toBe('godwit: bob has blocked you [BLOCKED]');
    expect(code).toBe(1);
    expect(JSON.parse((await api.run('--json', 'send', 'bob', 'x')).error)).toEqual({
      error: 'bob has blocked you',
      reason: 'BLOCKED',
      exit: 1,
    });
    expect(await api.run('send', 'nobody', 'x')).toMatchObject({
      code: 1,
      error: 'godwit: there is no user nobody, and you are in no group of that name',
    });
  });

  it('3 when no edge answers', async () => {
    await api.stop();
    const { code, error } = await api.run('--profile', 'other', 'status');
    expect(error).toContain('no edge is ready');
    expect(code).toBe(3);
  });

  it('4 when not signed in, or signed out meanwhile', async () => {
    expect(await api.run('--profile', 'other', 'conversations')).toMatchObject({
      code: 4,
      error: 'godwit: not signed in here: `godwit --profile other register` or `godwit --profile other login` first',
    });
    const refusal = { status: 401, body: { reason: 'UNAUTHENTICATED', message: 'the device was removed' } };
    api.on('listConversations', () => refusal);
    api.on('refreshToken', () => ({ status: 401, body: { reason: 'REFRESH_TOKEN_INVALID', message: 'signed out' } }));
    expect((await api.run('conversations')).code).toBe(4);
  });

  it('a token that the server finds expired is renewed, and the call made again', async () => {
    api.on('refreshToken', () => ({
      tokens: { accessToken: 'access1', accessExpiresAtMs: '9999999999999', refreshToken: 'r1' },
    }));
    api.on('listDevices', (_request, token) =>
      token === 'access1' ? { devices: [] } : { status: 401, body: { reason: 'TOKEN_EXPIRED', message: 'expired' } },
    );
    expect((await api.run('devices')).code).toBe(0);
  });
});

describe('sign in', () => {
  const answers = (): void => {
    api.on('registerUser', () => ({ verificationId: 'v1', expiresAtMs: '1' }));
    api.on('validateAccount', ({ code }) =>
      code === '123456'
        ? {
            signedIn: {
              profile: { userId: BOB, userName: 'bob' },
              deviceId: 'd9',
              tokens: { accessToken: 'a', accessExpiresAtMs: '9999999999999', refreshToken: 'r' },
            },
          }
        : { wrongCode: { triesLeft: 4 } },
    );
  };
  const register = (...more: string[]) =>
    api.run('--profile', 'new', 'register', '--phone', '+12025550102', '--api-key', 'k', ...more);

  it('registers, and keeps who it is for the next command', async () => {
    answers();
    expect(await register('--code', '123456', '--name', 'bob', '--device', 'laptop')).toMatchObject({
      out: 'A code is on its way to +12025550102.\nSigned in as bob on this device.\n',
      code: 0,
    });
    expect(api.calls[0]?.request).toMatchObject({ userName: 'bob', deviceName: 'laptop', apiKey: 'k' });
    expect((await api.run('--profile', 'new', 'whoami')).out).toBe(`bob  user ${BOB}  device d9\n`);
  });

  it('says how many tries are left for a wrong code', async () => {
    answers();
    expect(await register('--code', '1')).toMatchObject({ code: 1, error: 'godwit: wrong code; 4 tries left' });
  });

  it('does not forget a signed-in device, and its unsent messages, unless told to', async () => {
    answers();
    const again = ['register', '--phone', '+12025550102', '--api-key', 'k', '--code', '123456'];
    expect((await api.run(...again)).error).toContain('profile default is signed in as alice');
    expect((await api.run(...again, '--replace')).code).toBe(0);
    expect((await api.run('whoami')).out).toContain('bob');
  });

  it('logs out though the server has forgotten the device', async () => {
    api.on('logout', () => ({ status: 401, body: { reason: 'UNAUTHENTICATED', message: 'removed' } }));
    api.on('refreshToken', () => ({ status: 401, body: { reason: 'REFRESH_TOKEN_INVALID', message: 'gone' } }));
    expect((await api.run('logout')).code).toBe(0);
    expect((await api.run('whoami')).code).toBe(4);
  });
});

describe('what is printed', () => {
  it('conversations, for people and for programs', async () => {
    expect((await api.run('conversations')).out).toBe(
      `Birds  3 members, owner  ${GROUP}\nbob    private           ${CHAT}\n`,
    );
    const [all] = (await api.run('--json', 'conversations')).json() as [Record<string, unknown>[]];
    expect(all[0]).toMatchObject({ conversationId: GROUP, group: { name: 'Birds', memberCount: 3, myRole: 'owner' } });
    expect(all[1]).toMatchObject({ conversationId: CHAT, peerUserId: BOB });
  });

  it('groups without the private chats', async () => {
    expect((await api.run('group', 'list')).out).toBe(`Birds  3 members, owner  ${GROUP}\n`);
    expect((await api.run('--json', 'group', 'list')).json()).toMatchObject([[{ conversationId: GROUP }]]);
  });

  it('a history', async () => {
    const message = (seq: number, userId: string, text: string) => ({
      conversationId: CHAT,
      seq: String(seq),
      serverTimeMs: '1764000000000',
      envelope: { from: { userId, deviceId: 'd' }, metadata: { kind: 'KIND_TEXT' }, payload: { text: { text } } },
    });
    api.on('getMessages', () => ({ messages: [message(2, ALICE, 'hi'), message(1, BOB, 'two\nlines \u001b[2J')] }));
    const time = new Date(1_764_000_000_000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
    expect((await api.run('history', 'bob')).out).toBe(`${time} #1 bob  two\n    lines \n${time} #2 you  hi\n`);
    const [first] = (await api.run('--json', 'history', 'bob')).json();
    expect(first).toEqual({
      conversationId: CHAT,
      seq: 1,
      serverTimeMs: 1_764_000_000_000,
      from: { userId: BOB, deviceId: 'd' },
      timestampMs: 0,
      clientMessageId: '',
      targetSeq: 0,
      kind: 'text',
      text: 'two\nlines \u001b[2J',
    });
  });

  it('receipts and presence', async () => {
    api.on('getReceipts', () => ({
      marks: [
        { userId: BOB, deliveredSeq: '5', readSeq: '3' },
        { userId: ALICE, deliveredSeq: '5' },
      ],
    }));
    expect((await api.run('receipts', 'bob', '4')).out).toBe(
      'member  has  has read\nbob     yes  not yet\nyou     yes  not yet\n',
    );
    expect((await api.run('receipts', 'bob')).out).toBe('member  has  has read\nbob     #5   #3\nyou     #5   -\n');
    api.on('getPresence', () => ({ presences: [{ userId: BOB, online: true }] }));
    expect((await api.run('presence', '@bob')).out).toBe('bob  online\n');
    expect((await api.run('--json', 'presence', '@bob')).json()).toEqual([
      [{ userId: BOB, online: true, lastSeenMs: 0 }],
    ]);
  });
});

describe('help', () => {
  it('tells everything a beginner needs', async () => {
    const { out, code } = await api.run('--help');
    expect(code).toBe(0);
    expect(out).toMatchSnapshot();
    expect((await api.run('send', '--help')).out).toMatchSnapshot();
    expect((await api.run('group', '--help')).out).toMatchSnapshot();
  });

  it('is short and points on after a mistake', async () => {
    const { error, code } = await api.run('snd');
    expect(code).toBe(2);
    expect(error).toContain("unknown command 'snd'");
    expect(error).toContain('Did you mean send?');
  });
});
