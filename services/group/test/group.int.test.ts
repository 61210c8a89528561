import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type {
  CreateGroupRequest,
  GetConversationResponse,
  GroupServiceService,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { Permission, Role } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { NodePool } from '@godwit/rpc/node-pool';
import { userConversations as userConversationRows } from '../src/mongo/collections.js';
import { people, refusalOf, startGroupUnderTest, type GroupUnderTest } from './support/group-under-test.js';

let service: GroupUnderTest;
beforeAll(async () => {
  service = await startGroupUnderTest();
});
afterAll(() => service.stop());
afterEach(() => {
  service.watch.assertTargeted();
  service.log.onAppend = () => undefined;
  service.users.isAway = false;
});

type Pool = NodePool<GroupServiceService>;
const CALL = { deadlineMs: 10_000, idempotent: false };
const as = (user: string) => ({ ...CALL, user });

const createGroup = async (owner: string, memberUserIds: string[], pool: Pool = service.pool): Promise<string> => {
  const request = {
    clientRequestId: newId(),
    name: 'Waders',
    pictureMediaId: '',
    memberUserIds,
    settings: undefined,
  };
  const { group } = await pool.callAny('createGroup', request, as(owner));
  return group?.conversationId ?? '';
};

interface Wanted {
  readonly minVersion?: number;
  readonly createPrivate?: boolean;
}

const conversation = async (conversationId: string, wanted: Wanted = {}, pool: Pool = service.pool) => {
  const { minVersion = 0, createPrivate = false } = wanted;
  const chunks: GetConversationResponse[] = [];
  const request = { conversationId, minVersion, createPrivate };
  for await (const chunk of pool.readAny('getConversation', request, { deadlineMs: 10_000 })) chunks.push(chunk);
  return { head: chunks[0]?.head, members: chunks.flatMap((chunk) => chunk.members), chunks };
};

const userConversations = (userId: string, pageSize = 1_000, pageToken = '') =>
  service.pool.callAny('listUserConversations', { userId, pageSize, pageToken }, CALL);

describe('the conversations of many users', () => {
  it('are those of each, as far as they fit into an answer', async () => {
    const [a = '', b = '', many = '', loner = ''] = people(4);
    const shared = await createGroup(a, [b]);
    const left = await createGroup(a, [b]);
    await service.pool.callAny('removeMembers', { conversationId: left, userIds: [b] }, as(a));
    await conversation(privateConversation(a, loner), { createPrivate: true });
    const asked = [loner, b, a];
    const { users } = await service.pool.callAny('listConversationsOfUsers', { userIds: asked }, CALL);
    const alone = await Promise.all(asked.map(async (userId) => (await userConversations(userId)).conversations));
    expect(new Map(users.map(({ userId, conversations }) => [userId, conversations]))).toEqual(
      new Map(asked.map((userId, index) => [userId, alone[index]])),
    );
    expect(alone[1]?.map(({ conversationId }) => conversationId).sort()).toEqual([shared, left].sort());
    const rows = Array.from({ length: 2_001 }, () => ({
      conversationId: privateConversation(many, newId()),
      userId: many,
      role: 'member' as const,
      intervals: [{ from: 1, to: 0 }],
      appliedSeq: 1,
    }));
    await userConversationRows.in(service.db).insertMany(rows);
    const cut = await service.pool.callAny('listConversationsOfUsers', { userIds: [...asked, many] }, CALL);
    const told = new Map(cut.users.map(({ userId, conversations }) => [userId, conversations]));
    expect(told.has(many)).toBe(false);
    // Who comes before is there in full; who comes after is asked for again.
    for (const [index, userId] of asked.entries()) {
      if (userId < many) expect(told.get(userId)).toEqual(alone[index]);
      else expect(told.has(userId)).toBe(false);
    }
  });
});

describe('a private conversation', () => {
  it('is made when it is wanted and both users exist, once', async () => {
    const [a = '', b = ''] = people(2);
    const id = privateConversation(a, b);
    expect(await refusalOf(conversation(id))).toMatchObject({
      code: status.NOT_FOUND,
      reason: 'CONVERSATION_NOT_FOUND',
    });
    const made = await Promise.all(Array.from({ length: 5 }, () => conversation(id, { createPrivate: true })));
    for (const { head, members } of made) {
      expect(head).toMatchObject({ conversationId: id, membershipVersion: 1, memberCount: 2 });
      expect(members.map(({ userId, intervals }) => [userId, intervals])).toEqual([
        [a, [{ fromSeq: 1, toSeq: 0 }]],
        [b, [{ fromSeq: 1, toSeq: 0 }]],
      ]);
    }
    expect(service.log.entries(id)).toHaveLength(1);
    expect((await userConversations(b)).conversations).toEqual([
      { conversationId: id, intervals: [{ fromSeq: 1, toSeq: 0 }], memberCount: 2, membershipVersion: 0 },
    ]);
    const { conversations } = await service.pool.callAny('listConversations', { pageSize: 0, pageToken: '' }, as(a));
    expect(conversations).toMatchObject([{ conversationId: id, peerUserId: b, group: undefined }]);
  });

  it('is not made for somebody who does not exist, nor while account is away, nor by who is blocked', async () => {
    const [a = '', b = ''] = people(2);
    const id = privateConversation(a, b);
    service.users.isAway = true;
    expect((await refusalOf(conversation(id, { createPrivate: true }))).code).toBe(status.UNAVAILABLE);
    service.users.isAway = false;
    service.users.missing.add(b);
    expect(await refusalOf(conversation(id, { createPrivate: true }))).toMatchObject({
      code: status.NOT_FOUND,
      reason: 'USER_NOT_FOUND',
    });
    service.users.missing.delete(b);
    service.users.blocks.add(`${b}:${a}`);
    const asBlocked = service.pool.readAny(
      'getConversation',
      { conversationId: id, minVersion: 0, createPrivate: true },
      { deadlineMs: 5_000, user: a },
    );
    expect(await refusalOf(asBlocked.next())).toMatchObject({ code: status.PERMISSION_DENIED, reason: 'BLOCKED' });
    expect(service.log.entries(id)).toHaveLength(0);
  });

  it('that the log has and the projections have not is found', async () => {
    const [a = '', b = ''] = people(2);
    const id = privateConversation(a, b);
    const members = [a, b].map((userId) => ({ userId, role: 'member' as const }));
    const settings = { whoMaySend: 'everyone' as const, whoMayAdd: 'admins' as const };
    await service.log.append({
      conversationId: id,
      clientMessageId: 'created',
      actor: { userId: a, deviceId: '' },
      basedOn: 0,
      change: { kind: 'created', members, name: '', pictureMediaId: '', settings },
    });
    expect((await conversation(id)).head).toMatchObject({ membershipVersion: 1, memberCount: 2 });
  });

  it('takes no group calls', async () => {
    const [a = '', b = ''] = people(2);
    const request = { conversationId: privateConversation(a, b) };
    expect(await refusalOf(service.pool.callAny('leaveGroup', request, as(a)))).toEqual({
      code: status.INVALID_ARGUMENT,
      reason: 'NOT_A_GROUP',
      field: 'conversation_id',
    });
  });
});

describe('a group', () => {
  it('lives: made, renamed, joined, left, come back to, handed over', async () => {
    const [owner = '', a = '', b = '', c = ''] = people(4);
    const { pool } = service;
    const conversationId = await createGroup(owner, [a]);
    const added = await pool.callAny('addMembers', { conversationId, userIds: [a, b, c] }, as(owner));
    expect(added).toEqual({ addedUserIds: [b, c], refusedUserIds: [], membershipVersion: 5 });
    await pool.callAny('grantAdmin', { conversationId, userId: a }, as(owner));
    const settings = { whoMaySend: Permission.PERMISSION_ADMINS, whoMayAdd: Permission.PERMISSION_UNSPECIFIED };
    const { group } = await pool.callAny('updateGroup', { conversationId, name: ' Knots ', settings }, as(a));
    expect(group).toMatchObject({
      name: 'Knots',
      memberCount: 4,
      myRole: Role.ROLE_ADMIN,
      settings: { whoMaySend: Permission.PERMISSION_ADMINS, whoMayAdd: Permission.PERMISSION_ADMINS },
    });
    const { membershipVersion: removedAt } = await pool.callAny(
      'removeMembers',
      { conversationId, userIds: [b] },
      as(a),
    );
    await pool.callAny('addMembers', { conversationId, userIds: [b] }, as(a));
    await pool.callAny('transferOwnership', { conversationId, userId: a }, as(owner));
    const { membershipVersion: leftAt } = await pool.callAny('leaveGroup', { conversationId }, as(owner));
    expect(await pool.callAny('leaveGroup', { conversationId }, as(owner))).toEqual({ membershipVersion: leftAt });
    const { head, members } = await conversation(conversationId);
    expect(head).toMatchObject({ membershipVersion: leftAt, memberCount: 3 });
    const byUser = new Map(members.map((member) => [member.userId, member]));
    expect(byUser.get(b)?.intervals).toEqual([
      { fromSeq: 5, toSeq: removedAt },
      { fromSeq: removedAt + 4, toSeq: 0 },
    ]);
    expect(byUser.get(owner)?.intervals).toEqual([{ fromSeq: 1, toSeq: leftAt }]);
    expect(byUser.get(a)?.role).toBe(Role.ROLE_OWNER);
    expect((await userConversations(owner)).conversations).toMatchObject([
      { conversationId, intervals: [{ fromSeq: 1, toSeq: leftAt }], memberCount: 3 },
    ]);
    const listed = await pool.callAny('listConversations', { pageSize: 0, pageToken: '' }, as(owner));
    expect(listed.conversations).toEqual([]);
    expect(service.told.filter(([id]) => id === conversationId).map(([, version]) => version)).toEqual(
      service.log.entries(conversationId).map(({ seq }) => seq),
    );
  });

  it('is made once for one request', async () => {
    const [owner = '', a = ''] = people(2);
    const request = {
      clientRequestId: 'same',
      name: 'Waders',
      pictureMediaId: 'pic_1',
      memberUserIds: [a, owner],
      settings: undefined,
    };
    const [one, two] = await Promise.all([1, 2].map(() => service.pool.callAny('createGroup', request, as(owner))));
    expect(one).toEqual(two);
    expect(one?.group).toMatchObject({ memberCount: 2, myRole: Role.ROLE_OWNER, pictureMediaId: 'pic_1' });
  });

  it('takes 10,000 members, tells them in chunks of 1,000 and pages them', async () => {
    const [owner = '', ...others] = people(10_000);
    const conversationId = await createGroup(owner, []);
    const startedAt = performance.now();
    for (let start = 0; start < others.length; start += 500) {
      await service.pool.callAny(
        'addMembers',
        { conversationId, userIds: others.slice(start, start + 500) },
        as(owner),
      );
    }
    const addedMs = performance.now() - startedAt;
    const { head, members, chunks } = await conversation(conversationId);
    expect(head?.memberCount).toBe(10_000);
    expect(new Set(members.map(({ userId }) => userId)).size).toBe(10_000);
    expect(chunks.every((chunk) => chunk.members.length <= 1_000)).toBe(true);
    const another = await service.another();
    const coldAt = performance.now();
    expect((await conversation(conversationId, {}, another)).members).toHaveLength(10_000);
    const coldMs = performance.now() - coldAt;
    const warmAt = performance.now();
    await conversation(conversationId, { minVersion: head?.membershipVersion ?? 0 }, another);
    const warmMs = performance.now() - warmAt;
    console.log(
      `10,000 members: added in ${addedMs.toFixed(0)} ms, read cold ${coldMs.toFixed(0)} ms, warm ${warmMs.toFixed(0)} ms`,
    );
    const seen: string[] = [];
    for (let pageToken = ''; ;) {
      const page = await service.pool.callAny('listMembers', { conversationId, pageSize: 500, pageToken }, as(owner));
      seen.push(...page.members.map(({ userId }) => userId));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(seen).toEqual([owner, ...others].sort());
    expect(addedMs).toBeLessThan(20_000);
  });

  it('is at the version asked for at a replica that has not heard of the change', async () => {
    const [owner = '', a = '', b = ''] = people(3);
    const another = await service.another();
    const conversationId = await createGroup(owner, [a]);
    expect((await conversation(conversationId, {}, another)).head?.memberCount).toBe(2);
    const { membershipVersion } = await service.pool.callAny('addMembers', { conversationId, userIds: [b] }, as(owner));
    expect((await conversation(conversationId, { minVersion: membershipVersion }, another)).head?.memberCount).toBe(3);
    const { membershipVersion: removedAt } = await another.callAny(
      'removeMembers',
      { conversationId, userIds: [a] },
      as(owner),
    );
    // Unasked, too: what is remembered is compared with what is stored.
    expect((await conversation(conversationId)).head).toMatchObject({ membershipVersion: removedAt, memberCount: 2 });
    expect(await refusalOf(conversation(conversationId, { minVersion: removedAt + 1 }))).toMatchObject({
      code: status.UNAVAILABLE,
      reason: 'VERSION_NOT_REACHED',
    });
  });

  it('changes through two replicas at a time without a lost change', async () => {
    const [owner = '', ...others] = people(41);
    const another = await service.another();
    const conversationId = await createGroup(owner, []);
    const outcomes = await Promise.all(
      others.map((userId, index) =>
        (index % 2 === 0 ? service.pool : another).callAny(
          'addMembers',
          { conversationId, userIds: [userId] },
          as(owner),
        ),
      ),
    );
    expect(outcomes.flatMap(({ addedUserIds }) => addedUserIds).sort()).toEqual(others);
    const versions = outcomes.map(({ membershipVersion }) => membershipVersion);
    expect(new Set(versions).size).toBe(others.length);
    for (const pool of [service.pool, another]) {
      expect((await conversation(conversationId, {}, pool)).head?.memberCount).toBe(41);
    }
    const rows = await Promise.all(others.map((userId) => userConversations(userId)));
    expect(rows.every(({ conversations }) => conversations[0]?.memberCount === 41)).toBe(true);
  });

  it('repairs what a crash between log and projections has left', async () => {
    const [owner = '', a = ''] = people(2);
    const conversationId = await createGroup(owner, []);
    service.log.onAppend = (moment) => {
      if (moment === 'after') throw Object.assign(new Error('the answer was lost'), { code: status.UNAVAILABLE });
    };
    const request = { conversationId, userIds: [a] };
    expect((await refusalOf(service.pool.callAny('addMembers', request, as(owner)))).code).toBe(status.UNAVAILABLE);
    service.log.onAppend = () => undefined;
    expect((await userConversations(a)).conversations).toEqual([]);
    // Whoever fans the change out asks for its version.
    await conversation(conversationId, { minVersion: service.log.version(conversationId) });
    expect((await userConversations(a)).conversations).toMatchObject([{ conversationId, memberCount: 2 }]);
    expect(await service.pool.callAny('addMembers', request, as(owner))).toMatchObject({ addedUserIds: [] });
  });

  it('adds nobody who has blocked the actor or does not exist, and says whom not', async () => {
    const [owner = '', a = '', blocker = '', nobody = ''] = people(4);
    service.users.blocks.add(`${blocker}:${owner}`);
    service.users.missing.add(nobody);
    const conversationId = await createGroup(owner, []);
    const request = { conversationId, userIds: [nobody, a, blocker] };
    const added = await service.pool.callAny('addMembers', request, as(owner));
    expect(added).toMatchObject({ addedUserIds: [a], refusedUserIds: [nobody, blocker] });
    expect(await refusalOf(createGroup(owner, [a, nobody]))).toEqual({
      code: status.INVALID_ARGUMENT,
      reason: 'USER_NOT_FOUND',
      field: 'member_user_ids[1]',
    });
    service.users.isAway = true;
    const { code } = await refusalOf(
      service.pool.callAny('addMembers', { conversationId, userIds: [newId()] }, as(owner)),
    );
    expect(code).toBe(status.UNAVAILABLE);
  });

  it('is muted by one of its members without anybody else noticing', async () => {
    const [owner = '', a = ''] = people(2);
    const another = await service.another();
    const conversationId = await createGroup(owner, [a]);
    await conversation(conversationId, {}, another);
    const until = Date.now() + 3_600_000;
    const muteOf = async (user: string) =>
      (await conversation(conversationId, {}, another)).members.find(({ userId }) => userId === user)?.mutedUntilMs;
    const version = service.log.version(conversationId);
    await service.pool.callAny('muteConversation', { conversationId, untilMs: until }, as(a));
    expect([await muteOf(a), await muteOf(owner)]).toEqual([until, 0]);
    const { conversations } = await service.pool.callAny('listConversations', { pageSize: 0, pageToken: '' }, as(a));
    expect(conversations).toMatchObject([{ conversationId, mutedUntilMs: until }]);
    await service.pool.callAny('addMembers', { conversationId, userIds: people(1) }, as(owner));
    expect(await muteOf(a)).toBe(until);
    await service.pool.callAny('muteConversation', { conversationId, untilMs: 0 }, as(a));
    expect(await muteOf(a)).toBe(0);
    expect(service.log.entries(conversationId).filter(({ seq }) => seq > version)).toHaveLength(1);
    const stranger = service.pool.callAny('muteConversation', { conversationId, untilMs: until }, as(newId()));
    expect((await refusalOf(stranger)).reason).toBe('NOT_A_MEMBER');
  });
});

describe('invites', () => {
  const invite = async (owner: string, conversationId: string, maxJoins = 0) =>
    (await service.pool.callAny('createInvite', { conversationId, validSeconds: 0, maxJoins }, as(owner))).invite ?? {
      token: '',
      inviteId: '',
    };
  const join = (token: string, user: string) => service.pool.callAny('joinByInvite', { token }, as(user));

  it('let in, once each, and tell the group', async () => {
    const [owner = '', a = ''] = people(2);
    const conversationId = await createGroup(owner, []);
    const { token, inviteId } = await invite(owner, conversationId, 1);
    const { group } = await join(token, a);
    expect(group).toMatchObject({ conversationId, memberCount: 2, myRole: Role.ROLE_MEMBER });
    expect(service.log.entries(conversationId).at(-1)?.change).toMatchObject({ kind: 'added', inviteId });
    // A member already, of an invite that is used up.
    expect((await join(token, a)).group).toMatchObject({ memberCount: 2 });
  });

  it('let in no more than they say, however many come at once', async () => {
    const [owner = '', ...others] = people(21);
    const conversationId = await createGroup(owner, []);
    const { token } = await invite(owner, conversationId, 5);
    const another = await service.another();
    const outcomes = await Promise.allSettled(
      others.map((user, index) =>
        (index % 2 === 0 ? service.pool : another).callAny('joinByInvite', { token }, as(user)),
      ),
    );
    expect(outcomes.filter(({ status: end }) => end === 'fulfilled')).toHaveLength(5);
    expect((await conversation(conversationId)).head?.memberCount).toBe(6);
    expect((await refusalOf(join(token, newId()))).reason).toBe('INVITE_NOT_FOUND');
  });

  it('count a user once who asks again, and not at all one for whom there was no room', async () => {
    const [owner = '', a = '', b = ''] = people(3);
    const conversationId = await createGroup(owner, []);
    const { token } = await invite(owner, conversationId, 1);
    service.log.onAppend = (moment) => {
      if (moment === 'before') throw Object.assign(new Error('no router'), { code: status.UNAVAILABLE });
    };
    expect((await refusalOf(join(token, a))).code).toBe(status.UNAVAILABLE);
    service.log.onAppend = () => undefined;
    expect((await refusalOf(join(token, b))).reason).toBe('INVITE_NOT_FOUND');
    expect((await join(token, a)).group).toMatchObject({ memberCount: 2 });

    const small = await startGroupUnderTest({}, { GODWIT_GROUP_MAX_MEMBERS: '2' });
    const full = await createGroup(owner, [a], small.pool);
    const call = { conversationId: full, validSeconds: 0, maxJoins: 1 };
    const { invite: toFull } = await small.pool.callAny('createInvite', call, as(owner));
    const joinFull = () => small.pool.callAny('joinByInvite', { token: toFull?.token ?? '' }, as(b));
    expect(await refusalOf(joinFull())).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'GROUP_FULL' });
    await small.pool.callAny('leaveGroup', { conversationId: full }, as(a));
    expect((await joinFull()).group).toMatchObject({ memberCount: 2 });
    small.watch.assertTargeted();
    await small.stop();
  });

  it('are revoked by an admin or by who made them, and unknown ones are all alike', async () => {
    const [owner = '', a = '', b = ''] = people(3);
    const conversationId = await createGroup(owner, [a, b]);
    const { token, inviteId } = await invite(owner, conversationId);
    const revoke = (user: string, id = inviteId) =>
      service.pool.callAny('revokeInvite', { conversationId, inviteId: id }, as(user));
    expect((await refusalOf(revoke(b))).reason).toBe('NOT_AN_ADMIN');
    expect((await refusalOf(revoke(owner, newId()))).reason).toBe('INVITE_NOT_FOUND');
    await revoke(owner);
    await revoke(owner);
    for (const bad of [token, newId(), '', '$where', inviteId]) {
      expect((await refusalOf(join(bad, newId()))).reason).toBe('INVITE_NOT_FOUND');
    }
    const asMember = service.pool.callAny('createInvite', { conversationId, validSeconds: 0, maxJoins: 0 }, as(b));
    expect((await refusalOf(asMember)).reason).toBe('NOT_AN_ADMIN');
  });
});

describe('lists by user', () => {
  it('are paged by conversation id', async () => {
    const [user = '', ...others] = people(8);
    const ids = others.map((other) => privateConversation(user, other));
    for (const id of ids) await conversation(id, { createPrivate: true });
    const groupId = await createGroup(user, []);
    const seen: string[] = [];
    for (let pageToken = ''; ;) {
      const page = await userConversations(user, 3, pageToken);
      seen.push(...page.conversations.map(({ conversationId }) => conversationId));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(seen).toEqual([...ids, groupId].sort());
    const { conversations } = await service.pool.callAny('listConversations', { pageSize: 1, pageToken: '' }, as(user));
    expect(conversations).toMatchObject([{ conversationId: groupId, group: { name: 'Waders', memberCount: 1 } }]);
  });
});

describe('bad input', () => {
  const cases: [string, (owner: string, conversationId: string) => Promise<unknown>, string][] = [
    ['no name', (owner) => create(owner, { name: '  ' }), 'name'],
    ['a name of 101 characters', (owner) => create(owner, { name: 'ä'.repeat(101) }), 'name'],
    ['a control character', (owner) => create(owner, { name: 'a\u0007b' }), 'name'],
    ['a request id with a dot', (owner) => create(owner, { clientRequestId: 'a.b' }), 'client_request_id'],
    ['501 members', (owner) => create(owner, { memberUserIds: people(501) }), 'member_user_ids'],
    [
      'a member that is no id',
      (owner) => create(owner, { memberUserIds: [newId(), '__proto__'] }),
      'member_user_ids[1]',
    ],
    [
      'an unknown permission',
      (owner) => create(owner, { settings: { whoMaySend: 9 as Permission, whoMayAdd: 0 } }),
      'settings.who_may_send',
    ],
    ['a picture that is no media id', (owner) => create(owner, { pictureMediaId: '../x' }), 'picture_media_id'],
    ['nobody to add', (owner, id) => add(owner, id, []), 'user_ids'],
    ['100,000 to add', (owner, id) => add(owner, id, Array<string>(100_000).fill(owner)), 'user_ids'],
    ['a wildcard to add', (owner, id) => add(owner, id, ['*']), 'user_ids[0]'],
    ['a conversation with $', (owner) => add(owner, '$where', [newId()]), 'conversation_id'],
    ['a page of 501', (owner, id) => members(owner, id, { pageSize: 501 }), 'page_size'],
    ['a page token of its own', (owner, id) => members(owner, id, { pageToken: '>' }), 'page_token'],
    ['a page of 0 of user conversations', (owner) => userConversations(owner, 0), 'page_size'],
    ['an invite of 59 s', (owner, id) => inviteFor(owner, id, 59), 'valid_seconds'],
    ['an acting user that is no id', () => create('{$gt:1}', {}), 'godwit-user'],
  ];
  const create = (owner: string, overrides: Partial<CreateGroupRequest>) => {
    const request = { clientRequestId: newId(), name: 'x', pictureMediaId: '', memberUserIds: [], settings: undefined };
    return service.pool.callAny('createGroup', { ...request, ...overrides }, as(owner));
  };
  const add = (owner: string, conversationId: string, userIds: string[]) =>
    service.pool.callAny('addMembers', { conversationId, userIds }, as(owner));
  const members = (owner: string, conversationId: string, page: { pageSize?: number; pageToken?: string }) =>
    service.pool.callAny('listMembers', { conversationId, pageSize: 0, pageToken: '', ...page }, as(owner));
  const inviteFor = (owner: string, conversationId: string, validSeconds: number) =>
    service.pool.callAny('createInvite', { conversationId, validSeconds, maxJoins: 0 }, as(owner));

  it.each(cases)('%s is refused by name', async (_what, call, field) => {
    const [owner = ''] = people(1);
    const conversationId = await createGroup(owner, []);
    expect(await refusalOf(call(owner, conversationId))).toMatchObject({ code: status.INVALID_ARGUMENT, field });
  });

  it('an unknown group is not found, and a stranger is told so', async () => {
    const unknown = groupConversation(newId());
    const get = (conversationId: string) => service.pool.callAny('getGroup', { conversationId }, as(newId()));
    expect((await refusalOf(get(unknown))).reason).toBe('CONVERSATION_NOT_FOUND');
    expect((await refusalOf(get(await createGroup(newId(), [])))).reason).toBe('NOT_A_MEMBER');
  });
});
