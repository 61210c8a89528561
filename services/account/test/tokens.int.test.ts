import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refusalOf } from './refusal-of.js';
import { DEVELOPMENT_KEY, startTestAccount, type RunningAccount } from './running-account.js';
import { login, register } from './sign-in.js';

let account: RunningAccount;

beforeAll(async () => {
  account = await startTestAccount({ namespace: uniqueNamespace() });
});
afterEach(() => {
  account.watch.assertTargeted();
});
afterAll(async () => {
  await account[Symbol.asyncDispose]();
});

const refresh = async (refreshToken: string): Promise<string> => {
  const { tokens } = await account.as(undefined, 'refreshToken', { refreshToken });
  return tokens?.refreshToken ?? 'none';
};
const refused = (token: string): Promise<string> => refusalOf(refresh(token));
const REUSED = 'UNAUTHENTICATED REFRESH_TOKEN_REUSED refresh_token';
const INVALID = 'UNAUTHENTICATED REFRESH_TOKEN_INVALID refresh_token';

const devicesOf = async (userId: string): Promise<string[]> => {
  const { users } = await account.as(undefined, 'getUserDevices', { userIds: [userId] });
  return users.flatMap(({ deviceIds }) => deviceIds);
};

describe('refresh tokens', () => {
  it('rotate, and each gives new access', async () => {
    const { refreshToken: first, userId, deviceId } = await register(account);
    const second = await refresh(first);
    const third = await refresh(second);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await devicesOf(userId)).toContain(deviceId);
  });

  it('give the same successor again to a device whose answer was lost', async () => {
    const { refreshToken: first } = await register(account);
    const second = await refresh(first);
    account.clock.advance(29_000);
    expect(await refresh(first)).toBe(second);
    await refresh(second);
  });

  it('asked for many times at once give one successor', async () => {
    const { refreshToken: first } = await register(account);
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(first)));
    expect(new Set(answers).size).toBe(1);
  });

  it('give another successor later, while nobody has used the first one', async () => {
    const { refreshToken: first } = await register(account);
    const lost = await refresh(first);
    account.clock.advance(86_400_000);
    const second = await refresh(first);
    expect(second).not.toBe(lost);
    await refresh(second);
  });

  it('that were voided so sign the device out, because then two hold its tokens', async () => {
    const { refreshToken: first, userId, deviceId } = await register(account);
    const stolen = await refresh(first);
    account.clock.advance(31_000);
    const second = await refresh(first);
    expect(await refused(stolen)).toBe(REUSED);
    expect(await refused(second)).toBe(INVALID);
    expect(await devicesOf(userId)).not.toContain(deviceId);
  });

  it('that come again at once after their successor was used sign the device out: its answer was not lost', async () => {
    const { refreshToken: first, userId, deviceId } = await register(account);
    const second = await refresh(first);
    const third = await refresh(second);
    expect(await refused(first)).toBe(REUSED);
    expect(await refused(third)).toBe(INVALID);
    expect(await devicesOf(userId)).not.toContain(deviceId);
  });

  it('that come again after their successor was used sign the device out', async () => {
    const { refreshToken: first, userId, deviceId } = await register(account);
    const second = await refresh(first);
    await refresh(second);
    account.clock.advance(31_000);
    expect(await refused(first)).toBe(REUSED);
    expect(await refused(second)).toBe(INVALID);
    expect(account.closed).toContainEqual({ userId, deviceIds: [deviceId] });
    expect(account.facts).toContain(`device ${userId} ${deviceId}`);
  });

  it('end after sixty days', async () => {
    const { refreshToken } = await register(account);
    account.clock.advance(60 * 86_400_000);
    expect(await refused(refreshToken)).toBe(INVALID);
  });

  it.each(['', 'x', '$ne', 'a'.repeat(43), 'a'.repeat(100_000)])('that are none are refused', async (token) => {
    expect(await refused(token)).toBe(INVALID);
  });

  it('are stored only as hashes', async () => {
    const { refreshToken } = await register(account);
    const stored = JSON.stringify(await account.db.collection('refresh_tokens').find().toArray());
    expect(stored).not.toContain(refreshToken);
  });
});

describe('devices', () => {
  it('that log out lose their tokens and their socket', async () => {
    const person = await register(account);
    await account.as(person, 'logout', {});
    expect(await refused(person.refreshToken)).toBe(INVALID);
    expect(account.closed).toContainEqual({ userId: person.userId, deviceIds: [person.deviceId] });
    expect(await refusalOf(account.as(person, 'getProfile', {}))).toBe('UNAUTHENTICATED DEVICE_REMOVED');
  });

  it('can be removed from another one, twice, but not from another user', async () => {
    const phone = await register(account);
    const laptop = await login(account, phone.phone);
    const stranger = await register(account);
    const attack = account.as(stranger, 'removeDevice', { deviceId: laptop.deviceId });
    expect(await refusalOf(attack)).toBe('NOT_FOUND DEVICE_NOT_FOUND device_id');
    await account.as(phone, 'removeDevice', { deviceId: laptop.deviceId });
    await account.as(phone, 'removeDevice', { deviceId: laptop.deviceId });
    expect(await refused(laptop.refreshToken)).toBe(INVALID);
    const { users } = await account.as(undefined, 'getUserDevices', { userIds: [phone.userId] });
    expect(users).toMatchObject([{ userId: phone.userId, deviceIds: [phone.deviceId] }]);
  });

  it('are told to the fleet with when they were registered; who does not exist is left out', async () => {
    const at = account.clock.now();
    const person = await register(account);
    const userIds = [person.userId, 'b'.repeat(26)];
    expect(await account.as(undefined, 'getUserDevices', { userIds })).toEqual({
      users: [{ userId: person.userId, deviceIds: [person.deviceId], registeredAtMs: [at] }],
    });
  });

  it('must be named, and be devices', async () => {
    expect(await refusalOf(account.as(undefined, 'getProfile', {}))).toBe(
      'INVALID_ARGUMENT ACTING_USER_REQUIRED godwit-user',
    );
    const odd = { userId: 'a'.repeat(26), deviceId: '*.>' };
    expect(await refusalOf(account.as(odd, 'getProfile', {}))).toBe(
      'INVALID_ARGUMENT ACTING_DEVICE_REQUIRED godwit-device',
    );
    const call = account.as(undefined, 'getUserDevices', { userIds: ['$in'] });
    expect(await refusalOf(call)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT user_ids[0]');
    const many = account.as(undefined, 'getUserDevices', {
      userIds: Array.from({ length: 1_001 }, () => 'a'.repeat(26)),
    });
    expect(await refusalOf(many)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT user_ids');
  });
});

describe('tickets', () => {
  it('are good for one handshake', async () => {
    const person = await register(account);
    const { ticket, expiresAtMs } = await account.as(person, 'createTicket', {});
    expect(expiresAtMs).toBe(account.clock.now() + 60_000);
    const redeemed = await account.as(undefined, 'redeemTicket', { ticket });
    expect(redeemed).toEqual({
      userId: person.userId,
      deviceId: person.deviceId,
      tokenExpiresAtMs: account.clock.now() + 15 * 60_000,
    });
    expect((await account.as(undefined, 'redeemTicket', { ticket })).userId).toBe('');
  });

  it('end after a minute, and with their device', async () => {
    const person = await register(account);
    const { ticket } = await account.as(person, 'createTicket', {});
    account.clock.advance(60_000);
    expect((await account.as(undefined, 'redeemTicket', { ticket })).userId).toBe('');
    const second = await account.as(person, 'createTicket', {});
    await account.as(person, 'logout', {});
    expect((await account.as(undefined, 'redeemTicket', { ticket: second.ticket })).userId).toBe('');
    expect((await account.as(undefined, 'redeemTicket', { ticket: '{"$ne":1}' })).userId).toBe('');
  });
});

describe('API keys', () => {
  it('are made and revoked by operators, and told apart by what they may', async () => {
    const created = await account.withKey(DEVELOPMENT_KEY, 'createApiKey', {
      name: 'team',
      scopes: ['bots', 'import'],
    });
    expect(created.apiKey).toMatch(/^gk_[a-z2-7]{26}_[A-Za-z0-9_-]{43}$/);
    expect(await account.as(undefined, 'verifyApiKey', { apiKey: created.apiKey })).toEqual({
      apiKeyId: created.apiKeyId,
      name: 'team',
      scopes: ['bots', 'import'],
    });
    const forbidden = account.withKey(created.apiKey, 'createApiKey', { name: 'x', scopes: ['admin'] });
    expect(await refusalOf(forbidden)).toBe('PERMISSION_DENIED SCOPE_MISSING');
    const fleetOnly = account.withKey(DEVELOPMENT_KEY, 'getJwks', {});
    expect(await refusalOf(fleetOnly)).toBe('PERMISSION_DENIED NOT_FOR_API_KEYS');

    await account.withKey(DEVELOPMENT_KEY, 'revokeApiKey', { apiKeyId: created.apiKeyId });
    expect((await account.as(undefined, 'verifyApiKey', { apiKey: created.apiKey })).apiKeyId).toBe('');
    expect(JSON.stringify(await account.db.collection('api_keys').find().toArray())).not.toContain(
      created.apiKey.slice(-43),
    );
  });

  it.each(['', 'gk_', `gk_${'a'.repeat(26)}_${'b'.repeat(43)}`, '$where', 'x'.repeat(10_000)])(
    'that nobody made are nobody',
    async (apiKey) => {
      expect(await account.as(undefined, 'verifyApiKey', { apiKey })).toEqual({ apiKeyId: '', name: '', scopes: [] });
    },
  );

  it('need a name and known scopes', async () => {
    const create = (name: string, scopes: string[]) =>
      refusalOf(account.withKey(DEVELOPMENT_KEY, 'createApiKey', { name, scopes }));
    expect(await create('', ['bots'])).toBe('INVALID_ARGUMENT INVALID_ARGUMENT name');
    expect(await create('x', [])).toBe('INVALID_ARGUMENT INVALID_ARGUMENT scopes');
    expect(await create('x', ['bots', 'root'])).toBe('INVALID_ARGUMENT INVALID_ARGUMENT scopes[1]');
  });
});
