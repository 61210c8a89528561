import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import type { ImportUser } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refusalOf } from './refusal-of.js';
import { DEVELOPMENT_KEY, newPhone, startTestAccount, type RunningAccount } from './running-account.js';
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

const entry = (fields: Partial<ImportUser>): ImportUser => ({
  externalId: 'x',
  phone: '',
  userName: '',
  displayName: '',
  ...fields,
});

const importUsers = async (users: ImportUser[], devicesPerUser = 1, tokenValidSeconds = 0) =>
  (await account.withKey(DEVELOPMENT_KEY, 'importUsers', { users, devicesPerUser, tokenValidSeconds })).users;

describe('imports', () => {
  it('make a thousand users in under two seconds', async () => {
    const users = Array.from({ length: 1_000 }, (_, index) =>
      entry({
        externalId: `load-${String(index)}`,
        phone: `+4917112${String(100_000 + index)}`,
        userName: `load_${String(index)}`,
        displayName: `Load ${String(index)}`,
      }),
    );
    const startedAt = performance.now();
    const imported = await importUsers(users);
    const tookMs = performance.now() - startedAt;
    console.info(`1,000 users imported in ${String(Math.round(tookMs))} ms`);
    expect(tookMs).toBeLessThan(2_000);
    expect(new Set(imported.map(({ userId }) => userId)).size).toBe(1_000);
    expect(imported.every(({ devices, refusedReason }) => devices.length === 1 && refusedReason === '')).toBe(true);
  });

  it('give the same users for the same external ids, and more devices when asked', async () => {
    const users = [entry({ externalId: 'again', userName: 'again', displayName: 'First', phone: newPhone() })];
    const [first] = await importUsers(users);
    const [second] = await importUsers([{ ...users[0], displayName: 'Second' } as ImportUser], 3);
    expect(second?.userId).toBe(first?.userId);
    expect(second?.devices.map(({ deviceId }) => deviceId)).toContain(first?.devices[0]?.deviceId);
    expect(second?.devices).toHaveLength(3);
    const actor = { userId: first?.userId ?? '', deviceId: first?.devices[0]?.deviceId ?? '' };
    expect((await account.as(actor, 'getProfile', {})).profile).toMatchObject({
      userName: 'again',
      displayName: 'First',
    });
  });

  it('made by two at once make each user once', async () => {
    const users = Array.from({ length: 50 }, (_, index) => entry({ externalId: `both-${String(index)}` }));
    const [one, two] = await Promise.all([importUsers(users), importUsers(users)]);
    expect(one.map(({ userId }) => userId)).toEqual(two.map(({ userId }) => userId));
  });

  it('refuse the taken one by one, and free the phone of who was refused for the name', async () => {
    const known = await register(account, 'known_name');
    const phone = newPhone();
    const results = await importUsers([
      entry({ externalId: 'r1', phone: known.phone }),
      entry({ externalId: 'r2', phone, userName: 'known_name' }),
      entry({ externalId: 'r3', userName: 'fresh_name' }),
    ]);
    expect(results.map(({ refusedReason }) => refusedReason)).toEqual(['PHONE_TAKEN', 'USER_NAME_TAKEN', '']);
    expect(results[0]).toMatchObject({ userId: '', devices: [] });
    const login = account.as(undefined, 'loginUser', { apiKey: DEVELOPMENT_KEY, phone });
    expect(await refusalOf(login)).toBe('NOT_FOUND USER_NOT_FOUND phone');
  });

  it('leave removed devices away, and let imported people log in by phone', async () => {
    const phone = newPhone();
    const users = [entry({ externalId: 'gone', phone })];
    const [first] = await importUsers(users);
    const actor = { userId: first?.userId ?? '', deviceId: first?.devices[0]?.deviceId ?? '' };
    const laptop = await login(account, phone);
    expect(laptop.userId).toBe(actor.userId);
    await account.as(laptop, 'removeDevice', { deviceId: actor.deviceId });
    expect((await importUsers(users))[0]).toMatchObject({ userId: actor.userId, devices: [] });
  });

  const bad: [string, Parameters<typeof importUsers>, string][] = [
    ['nobody', [[]], 'users'],
    ['too many', [Array.from({ length: 1_001 }, (_, index) => entry({ externalId: String(index) }))], 'users'],
    ['no devices', [[entry({})], 0], 'devices_per_user'],
    ['too many devices', [[entry({})], 11], 'devices_per_user'],
    ['short tokens', [[entry({})], 1, 59], 'token_valid_seconds'],
    ['long tokens', [[entry({})], 1, 86_401], 'token_valid_seconds'],
    ['an id twice', [[entry({}), entry({})]], 'users[1].external_id'],
    ['an odd id', [[entry({ externalId: '$x' })]], 'users[0].external_id'],
    ['a prototype id', [[entry({ externalId: '__proto__' })]], 'users[0].external_id'],
    ['a bad phone', [[entry({}), entry({ externalId: 'y', phone: '1' })]], 'users[1].phone'],
    ['a bad name', [[entry({ userName: 'A' })]], 'users[0].user_name'],
  ];
  it.each(bad)('refuse %s', async (_what, call, field) => {
    expect(await refusalOf(importUsers(...call))).toBe(`INVALID_ARGUMENT INVALID_ARGUMENT ${field}`);
  });
});

describe('bots', () => {
  it('are users with one device and tokens', async () => {
    const bot = await account.withKey(DEVELOPMENT_KEY, 'createBot', { userName: 'weather', displayName: 'Weather' });
    expect(bot.profile).toMatchObject({ userName: 'weather', displayName: 'Weather' });
    const actor = { userId: bot.profile?.userId ?? '', deviceId: bot.deviceId };
    expect((await account.as(actor, 'listDevices', {})).devices).toMatchObject([{ platform: 5 }]);
    await account.as(undefined, 'refreshToken', { refreshToken: bot.tokens?.refreshToken ?? '' });
    const twice = account.withKey(DEVELOPMENT_KEY, 'createBot', { userName: 'weather' });
    expect(await refusalOf(twice)).toBe('ALREADY_EXISTS USER_NAME_TAKEN user_name');
    const nameless = account.withKey(DEVELOPMENT_KEY, 'createBot', {});
    expect(await refusalOf(nameless)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT user_name');
  });
});
