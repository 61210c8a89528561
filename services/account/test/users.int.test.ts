import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refusalOf } from './refusal-of.js';
import { newPhone, startTestAccount, type RunningAccount } from './running-account.js';
import { register, type Person } from './sign-in.js';

let account: RunningAccount;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  account = await startTestAccount({ namespace: uniqueNamespace(), env: { GODWIT_FIND_USER_PER_MINUTE: '20' } });
  alice = await register(account, 'alice');
  bob = await register(account, 'bob');
});
afterEach(() => {
  account.watch.assertTargeted();
});
afterAll(async () => {
  await account[Symbol.asyncDispose]();
});

const EVERYONE = 1;
const CONTACTS = 2;
const NOBODY = 3;
const nobody = 'z'.repeat(26);

describe('profiles', () => {
  it('are changed field by field', async () => {
    await account.as(alice, 'updateProfile', { displayName: '  Alice  ', about: 'hi' });
    await account.as(alice, 'updateProfile', { pictureMediaId: 'media_1' });
    const { profile } = await account.as(bob, 'getProfile', { userId: alice.userId });
    expect(profile).toEqual({
      userId: alice.userId,
      userName: 'alice',
      displayName: 'Alice',
      pictureMediaId: 'media_1',
      about: 'hi',
    });
    expect(account.facts).toContain(`profile ${alice.userId}`);
  });

  it('change their name to a free one only, and free the old one', async () => {
    const carol = await register(account, 'carol');
    const taken = account.as(carol, 'updateProfile', { userName: 'bob', displayName: 'not this either' });
    expect(await refusalOf(taken)).toBe('ALREADY_EXISTS USER_NAME_TAKEN user_name');
    expect((await account.as(carol, 'getProfile', {})).profile).toMatchObject({ userName: 'carol', displayName: '' });
    await account.as(carol, 'updateProfile', { userName: 'caroline' });
    const heir = await register(account, 'carol');
    expect(heir.signedIn.profile?.userName).toBe('carol');
    await account.as(carol, 'updateProfile', { userName: '' });
    expect((await account.as(carol, 'getProfile', {})).profile?.userName).toBe('');
  });

  it('hide picture and words from whom their user has blocked', async () => {
    const dave = await register(account, 'dave');
    await account.as(dave, 'updateProfile', { about: 'secret', pictureMediaId: 'p' });
    await account.as(dave, 'blockUser', { userId: bob.userId });
    const { profile } = await account.as(bob, 'getProfile', { userId: dave.userId });
    expect(profile).toMatchObject({ userName: 'dave', about: '', pictureMediaId: '' });
  });

  it.each([
    [{ displayName: 'x'.repeat(65) }, 'display_name'],
    [{ displayName: '\u202eevil' }, 'display_name'],
    [{ about: 'x'.repeat(257) }, 'about'],
    [{ pictureMediaId: '../etc' }, 'picture_media_id'],
    [{ userName: 'constructor$' }, 'user_name'],
    [{ userName: '1abc' }, 'user_name'],
  ])('refuse %j', async (change, field) => {
    expect(await refusalOf(account.as(alice, 'updateProfile', change))).toBe(
      `INVALID_ARGUMENT INVALID_ARGUMENT ${field}`,
    );
  });

  it('of nobody are not there', async () => {
    expect(await refusalOf(account.as(alice, 'getProfile', { userId: nobody }))).toBe(
      'NOT_FOUND USER_NOT_FOUND user_id',
    );
    expect(await refusalOf(account.as(alice, 'getProfile', { userId: '$ne' }))).toBe(
      'INVALID_ARGUMENT INVALID_ARGUMENT user_id',
    );
  });
});

describe('privacy', () => {
  it('is open until it is changed, setting by setting', async () => {
    const open = { online: EVERYONE, lastSeen: EVERYONE, readReceipts: EVERYONE } as const;
    expect(await account.as(bob, 'getPrivacy', {})).toEqual({ privacy: open });
    const first = { online: 0, lastSeen: NOBODY, readReceipts: 0 } as const;
    expect(await account.as(bob, 'updatePrivacy', { privacy: first })).toEqual({
      privacy: { ...open, lastSeen: NOBODY },
    });
    const second = { online: CONTACTS, lastSeen: 0, readReceipts: 0 } as const;
    await account.as(bob, 'updatePrivacy', { privacy: second });
    expect(await account.as(bob, 'getPrivacy', {})).toEqual({
      privacy: { online: CONTACTS, lastSeen: NOBODY, readReceipts: EVERYONE },
    });
    expect(account.facts).toContain(`relations ${bob.userId} `);
  });

  it('refuses what it does not know', async () => {
    const strange = { online: 9 as typeof EVERYONE, lastSeen: 0, readReceipts: 0 } as const;
    expect(await refusalOf(account.as(bob, 'updatePrivacy', { privacy: strange }))).toBe(
      'INVALID_ARGUMENT INVALID_ARGUMENT privacy.online',
    );
    expect(await refusalOf(account.as(bob, 'updatePrivacy', {}))).toBe('INVALID_ARGUMENT INVALID_ARGUMENT privacy');
  });
});

describe('finding users', () => {
  it('works by name and by phone', async () => {
    const byName = await account.as(alice, 'findUser', { by: { $case: 'userName', value: 'bob' } });
    expect(byName.profile?.userId).toBe(bob.userId);
    const byPhone = await account.as(alice, 'findUser', { by: { $case: 'phone', value: bob.phone } });
    expect(byPhone.profile?.userId).toBe(bob.userId);
  });

  it('tells what was not found', async () => {
    const find = (by: { $case: 'userName' | 'phone'; value: string } | undefined) =>
      refusalOf(account.as(alice, 'findUser', { by }));
    expect(await find({ $case: 'userName', value: 'nobody_here' })).toBe('NOT_FOUND USER_NOT_FOUND user_name');
    expect(await find({ $case: 'phone', value: newPhone() })).toBe('NOT_FOUND USER_NOT_FOUND phone');
    expect(await find({ $case: 'phone', value: '12' })).toBe('INVALID_ARGUMENT INVALID_ARGUMENT phone');
    expect(await find(undefined)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT by');
  });

  it('is limited for each user', async () => {
    const curious = await register(account);
    const asked = () => refusalOf(account.as(curious, 'findUser', { by: { $case: 'userName', value: 'bob' } }));
    for (let count = 0; count < 20; count++) expect(await asked()).toBe('not refused');
    expect(await asked()).toBe('RESOURCE_EXHAUSTED TOO_MANY_SEARCHES');
    account.clock.advance(60_000);
    expect(await asked()).toBe('not refused');
  });
});

describe('contacts and blocks', () => {
  it('are kept, renamed, listed in pages, and removed', async () => {
    const me = await register(account);
    const others = await Promise.all(Array.from({ length: 5 }, () => register(account)));
    for (const { userId } of others) await account.as(me, 'addContact', { userId, displayName: 'x' });
    await account.as(me, 'addContact', { userId: others[0]?.userId ?? '', displayName: 'renamed' });
    const first = await account.as(me, 'listContacts', { pageSize: 3 });
    const second = await account.as(me, 'listContacts', { pageSize: 3, pageToken: first.nextPageToken });
    expect(first.contacts).toHaveLength(3);
    expect(second).toMatchObject({ nextPageToken: '' });
    const all = [...first.contacts, ...second.contacts];
    expect(new Set(all.map(({ userId }) => userId))).toEqual(new Set(others.map(({ userId }) => userId)));
    expect(all.filter(({ displayName }) => displayName === 'renamed')).toHaveLength(1);
    await account.as(me, 'removeContact', { userId: others[0]?.userId ?? '' });
    await account.as(me, 'removeContact', { userId: others[0]?.userId ?? '' });
    expect((await account.as(me, 'listContacts', {})).contacts).toHaveLength(4);
  });

  it('blocks are kept, listed and lifted', async () => {
    const me = await register(account);
    await account.as(me, 'blockUser', { userId: bob.userId });
    await account.as(me, 'blockUser', { userId: bob.userId });
    expect(await account.as(me, 'listBlocks', {})).toEqual({ userIds: [bob.userId], nextPageToken: '' });
    await account.as(me, 'unblockUser', { userId: bob.userId });
    expect((await account.as(me, 'listBlocks', {})).userIds).toEqual([]);
    expect(account.facts.filter((fact) => fact === `relations ${me.userId} ${bob.userId}`).length).toBeGreaterThan(1);
  });

  it('refuse oneself, nobody, and pages that are none', async () => {
    const add = (userId: string) => refusalOf(account.as(alice, 'addContact', { userId }));
    expect(await add(alice.userId)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT user_id');
    expect(await add(nobody)).toBe('NOT_FOUND USER_NOT_FOUND user_id');
    expect(await refusalOf(account.as(alice, 'blockUser', { userId: nobody }))).toBe(
      'NOT_FOUND USER_NOT_FOUND user_id',
    );
    expect(await refusalOf(account.as(alice, 'listContacts', { pageSize: 501 }))).toBe(
      'INVALID_ARGUMENT INVALID_ARGUMENT page_size',
    );
    expect(await refusalOf(account.as(alice, 'listBlocks', { pageToken: '$gt' }))).toBe(
      'INVALID_ARGUMENT INVALID_ARGUMENT page_token',
    );
  });

  it('are told to the fleet as relations, in the order asked', async () => {
    const me = await register(account);
    const other = await register(account);
    await account.as(me, 'addContact', { userId: other.userId });
    await account.as(other, 'blockUser', { userId: me.userId });
    const { relations } = await account.as(undefined, 'getRelations', {
      queries: [
        { ownerUserId: me.userId, otherUserId: other.userId },
        { ownerUserId: nobody, otherUserId: me.userId },
        { ownerUserId: other.userId, otherUserId: me.userId },
      ],
    });
    expect(relations).toMatchObject([
      { ownerExists: true, blocked: false, contact: true, privacy: { online: EVERYONE } },
      { ownerExists: false, blocked: false, contact: false },
      { ownerExists: true, blocked: true, contact: false },
    ]);
    const bad = account.as(undefined, 'getRelations', { queries: [{ ownerUserId: 'x', otherUserId: me.userId }] });
    expect(await refusalOf(bad)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT queries[0].owner_user_id');
    const query = { ownerUserId: me.userId, otherUserId: other.userId };
    const many = account.as(undefined, 'getRelations', { queries: Array.from({ length: 501 }, () => query) });
    expect(await refusalOf(many)).toBe('INVALID_ARGUMENT INVALID_ARGUMENT queries');
  });
});
