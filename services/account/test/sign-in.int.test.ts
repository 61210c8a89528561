import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refusalOf } from './refusal-of.js';
import { DEVELOPMENT_KEY, newPhone, startTestAccount, type RunningAccount } from './running-account.js';
import { login, register, validate } from './sign-in.js';

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

const apiKey = DEVELOPMENT_KEY;
const start = (phone: string, userName = '') => account.as(undefined, 'registerUser', { apiKey, phone, userName });

describe('signing up', () => {
  it('makes a user, a device and an access token that the published keys verify', async () => {
    const alice = await register(account, 'alice');
    expect(alice.signedIn.profile).toMatchObject({ userName: 'alice', userId: alice.userId });
    expect(alice.signedIn.userNameTaken).toBe(false);

    const { jwksJson } = await account.as(undefined, 'getJwks', {});
    const keys = createLocalJWKSet(JSON.parse(jwksJson) as JSONWebKeySet);
    const { payload, protectedHeader } = await jwtVerify(alice.accessToken, keys, {
      issuer: 'godwit',
      audience: 'godwit-edge',
      algorithms: ['EdDSA'],
      currentDate: new Date(account.clock.now()),
    });
    expect(payload).toMatchObject({ sub: alice.userId, dev: alice.deviceId });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(15 * 60);
    expect(protectedHeader.kid).toBeTypeOf('string');
    expect(jwksJson).not.toContain('"d"');
  });

  it('of a phone that has a user answers the same, and is a login', async () => {
    const first = await register(account, 'returning');
    account.clock.advance(1_000);
    const again = await register(account, 'returning', first.phone);
    expect(again.userId).toBe(first.userId);
    expect(again.deviceId).not.toBe(first.deviceId);
    expect(again.signedIn.profile?.userName).toBe('returning');
  });

  it('refuses a wished name that is taken, and tells when it was taken in between', async () => {
    await register(account, 'wanted');
    expect(await refusalOf(start(newPhone(), 'wanted'))).toBe('ALREADY_EXISTS USER_NAME_TAKEN user_name');

    const [phoneA, phoneB] = [newPhone(), newPhone()];
    const a = await start(phoneA, 'race_name');
    const b = await start(phoneB, 'race_name');
    const [one, two] = await Promise.all([
      validate(account, phoneA, a.verificationId),
      validate(account, phoneB, b.verificationId),
    ]);
    expect([one.signedIn.userNameTaken, two.signedIn.userNameTaken].sort()).toEqual([false, true]);
    const loser = one.signedIn.userNameTaken ? one : two;
    expect(loser.signedIn.profile?.userName).toBe('');
  });

  it('gives a name to the next one when its owner never came to carry it', async () => {
    await account.db
      .collection<{ _id: string; userId: string; claimedAt: number }>('usernames')
      .insertOne({ _id: 'left_behind', userId: 'a'.repeat(26), claimedAt: account.clock.now() - 120_000 });
    const heir = await register(account, 'left_behind');
    expect(heir.signedIn.profile?.userName).toBe('left_behind');
  });

  it('repairs a sign-up that broke off after the phone was claimed', async () => {
    const { phone, userId } = await register(account);
    await account.db.collection('devices').deleteMany({ userId });
    await account.db.collection('users').deleteOne({ userId });
    const again = await login(account, phone);
    expect(again.userId).toBe(userId);
    expect((await account.as(again, 'getProfile', {})).profile?.userId).toBe(userId);
  });
});

describe('logging in', () => {
  it('adds a device to the same user', async () => {
    const phone = (await register(account, 'two_devices')).phone;
    const laptop = await login(account, phone);
    const { devices } = await account.as(laptop, 'listDevices', {});
    expect(devices.map(({ name }) => name)).toEqual(['phone', 'laptop']);
  });

  it('of an unknown phone is refused', async () => {
    const call = account.as(undefined, 'loginUser', { apiKey, phone: newPhone() });
    expect(await refusalOf(call)).toBe('NOT_FOUND USER_NOT_FOUND phone');
  });

  it('on an eleventh device removes the one that was unused longest', async () => {
    const first = await register(account);
    for (let count = 1; count < 10; count++) await login(account, first.phone);
    const eleventh = await login(account, first.phone);
    const { devices } = await account.as(eleventh, 'listDevices', {});
    expect(devices).toHaveLength(10);
    expect(devices.map(({ deviceId }) => deviceId)).not.toContain(first.deviceId);
    expect(account.closed).toContainEqual({ userId: first.userId, deviceIds: [first.deviceId] });
  });
});

describe('codes', () => {
  it('allow five tries, then not even the right one', async () => {
    const phone = newPhone();
    const { verificationId } = await start(phone);
    const right = account.sms.codeFor(phone);
    const wrong = right === '000000' ? '000001' : '000000';
    const guesses = await Promise.all(
      Array.from({ length: 8 }, () => account.as(undefined, 'validateAccount', { verificationId, code: wrong })).map(
        async (guess) => {
          try {
            const { outcome } = await guess;
            return outcome?.$case === 'wrongCode' ? String(outcome.value.triesLeft) : 'right';
          } catch (error) {
            return errorInfo(error)?.reason;
          }
        },
      ),
    );
    expect(guesses.sort()).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      ...Array.from({ length: 3 }, () => 'VERIFICATION_NOT_FOUND'),
    ]);
    const late = account.as(undefined, 'validateAccount', { verificationId, code: right });
    expect(await refusalOf(late)).toBe('NOT_FOUND VERIFICATION_NOT_FOUND verification_id');
  });

  it('end after ten minutes', async () => {
    const phone = newPhone();
    const { verificationId, expiresAtMs } = await start(phone);
    expect(expiresAtMs - account.clock.now()).toBe(10 * 60_000);
    account.clock.advance(10 * 60_000);
    const late = account.as(undefined, 'validateAccount', { verificationId, code: account.sms.codeFor(phone) });
    expect(await refusalOf(late)).toBe('NOT_FOUND VERIFICATION_NOT_FOUND verification_id');
  });

  it('give the same device again when the answer was lost, for a minute', async () => {
    const phone = newPhone();
    const { verificationId } = await start(phone);
    const first = await validate(account, phone, verificationId);
    const repeated = await validate(account, phone, verificationId);
    expect(repeated.deviceId).toBe(first.deviceId);
    account.clock.advance(60_001);
    const late = account.as(undefined, 'validateAccount', { verificationId, code: account.sms.codeFor(phone) });
    expect(await refusalOf(late)).toBe('NOT_FOUND VERIFICATION_NOT_FOUND verification_id');
  });

  it('come one at a time, and the refusal says when the next may', async () => {
    const phone = newPhone();
    await start(phone);
    account.clock.advance(400);
    const error = await start(phone).catch((reason: unknown) => errorInfo(reason));
    expect(error).toMatchObject({ reason: 'TOO_MANY_CODES', field: 'phone', retryAfterMs: 600 });
    account.clock.advance(600);
    await start(phone);
  });

  it('that could not be sent are told as an outage and do not count', async () => {
    const phone = newPhone();
    account.sms.fails = true;
    expect(await refusalOf(start(phone))).toBe('UNAVAILABLE SMS_UNAVAILABLE');
    account.sms.fails = false;
    await start(phone);
  });

  it('and phone numbers are stored nowhere in the clear', async () => {
    const phone = newPhone();
    await register(account, 'hidden_phone', phone);
    const code = account.sms.codeFor(phone);
    for (const name of ['users', 'phones', 'verifications', 'verification_sends']) {
      const documents = await account.db.collection(name).find().toArray();
      expect(documents).not.toEqual([]);
      expect(JSON.stringify(documents)).not.toContain(phone);
      expect(JSON.stringify(documents)).not.toContain(`"${code}"`);
    }
  });
});

describe('bad input', () => {
  const cases: [string, Record<string, unknown>, string][] = [
    ['no phone', { phone: '' }, 'phone'],
    ['a phone without a country', { phone: '015112345678' }, 'phone'],
    ['a phone that is none', { phone: '+12' }, 'phone'],
    ['a phone with words', { phone: '+4915112345678 ext. 5' }, 'phone'],
    ['a very long phone', { phone: `+${'1'.repeat(10_000)}` }, 'phone'],
    ['a short name', { userName: 'ab' }, 'user_name'],
    ['a name with capitals', { userName: 'Alice' }, 'user_name'],
    ['a name with a dollar', { userName: '$where' }, 'user_name'],
    ['a name of the prototype', { userName: '__proto__' }, 'user_name'],
    ['a long device name', { deviceName: 'x'.repeat(65) }, 'device_name'],
    ['a device name with controls', { deviceName: 'a\u0000b' }, 'device_name'],
    ['the platform of bots', { platform: 5 }, 'platform'],
    ['an unknown platform', { platform: 77 }, 'platform'],
  ];
  it.each(cases)('%s', async (_what, fields, field) => {
    const call = account.as(undefined, 'registerUser', { apiKey, phone: newPhone(), ...fields });
    expect(await refusalOf(call)).toBe(`INVALID_ARGUMENT INVALID_ARGUMENT ${field}`);
  });

  it('a key that is unknown, or lacks the scope', async () => {
    const unknown = account.as(undefined, 'registerUser', { apiKey: 'nobody', phone: newPhone() });
    expect(await refusalOf(unknown)).toBe('UNAUTHENTICATED API_KEY_INVALID api_key');
    const { apiKey: weak } = await account.withKey(apiKey, 'createApiKey', { name: 'weak', scopes: ['bots'] });
    const lacking = account.as(undefined, 'loginUser', { apiKey: weak, phone: newPhone() });
    expect(await refusalOf(lacking)).toBe('PERMISSION_DENIED API_KEY_SCOPE api_key');
  });

  it('ids and codes that are none', async () => {
    const validateWith = (verificationId: string, code: string) =>
      refusalOf(account.as(undefined, 'validateAccount', { verificationId, code }));
    expect(await validateWith('{"$gt":""}', '123456')).toBe('INVALID_ARGUMENT INVALID_ARGUMENT verification_id');
    expect(await validateWith('a'.repeat(26), '12345')).toBe('INVALID_ARGUMENT INVALID_ARGUMENT code');
    expect(await validateWith('a'.repeat(26), '123456')).toBe('NOT_FOUND VERIFICATION_NOT_FOUND verification_id');
  });
});
