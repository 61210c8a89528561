import { describe, expect, it } from 'vitest';
import { newId } from '@godwit/ids/id';
import { applyEntries } from '../src/domain/apply-entry.js';
import type { Decision } from '../src/domain/change-conversation.js';
import type { Conversation } from '../src/domain/conversation-directory.js';
import { pageMembers, viewGroup } from '../src/domain/conversation-views.js';
import { DEFAULT_SETTINGS, emptyConversation, type GroupSettings } from '../src/domain/conversation.js';
import {
  decideAdd,
  decideGrantAdmin,
  decideJoin,
  decideLeave,
  decideRemove,
  decideRevokeAdmin,
  decideTransfer,
  decideUpdate,
} from '../src/domain/membership-rules.js';

const [owner, admin, member, other, stranger, gone] = Array.from({ length: 6 }, newId) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

const groupWith = (settings: Partial<GroupSettings> = {}): Conversation => {
  const members = [
    { userId: owner, role: 'owner' as const },
    { userId: admin, role: 'admin' as const },
    { userId: member, role: 'member' as const },
    { userId: other, role: 'member' as const },
    { userId: gone, role: 'member' as const },
  ];
  const entries = [
    {
      seq: 1,
      serverTime: 1,
      change: {
        kind: 'created' as const,
        members,
        name: 'waders',
        pictureMediaId: '',
        settings: { ...DEFAULT_SETTINGS, ...settings },
      },
    },
    { seq: 5, serverTime: 2, change: { kind: 'removed' as const, userIds: [gone] } },
  ];
  return { ...applyEntries(emptyConversation('g:x'), entries), mutes: new Map(), muteVersion: 0 };
};

const group = groupWith();
const nothing: Conversation = { ...emptyConversation('g:y'), mutes: new Map(), muteVersion: 0 };
const change = <T>(decision: Decision<T>) => decision.change;
const add = (actor: string, admissible: string[], { to = group, maxMembers = 100 } = {}) =>
  change(decideAdd(to, { actor, admissible, maxMembers }));
const remove = (actor: string, ...userIds: string[]) => change(decideRemove(group, { actor, userIds }));

const refused = (reason: string) => expect.objectContaining({ reason }) as Error;

describe('members', () => {
  it('are added by admins, or by everyone where the group says so', () => {
    expect(add(admin, [stranger, member])).toEqual({
      kind: 'added',
      members: [{ userId: stranger, role: 'member' }],
      inviteId: '',
    });
    expect(() => add(member, [stranger])).toThrow(refused('NOT_AN_ADMIN'));
    expect(add(member, [stranger], { to: groupWith({ whoMayAdd: 'everyone' }) })).toBeDefined();
    expect(() => add(stranger, [stranger], { to: groupWith({ whoMayAdd: 'everyone' }) })).toThrow(
      refused('NOT_A_MEMBER'),
    );
    expect(() => add(owner, [stranger], { to: nothing })).toThrow(refused('CONVERSATION_NOT_FOUND'));
  });

  it('are bounded in number', () => {
    expect(add(owner, [stranger], { maxMembers: 5 })).toBeDefined();
    expect(() => add(owner, [stranger], { maxMembers: 4 })).toThrow(refused('GROUP_FULL'));
    expect(add(owner, [member], { maxMembers: 4 })).toBeUndefined();
  });

  it('are removed by admins, admins by the owner alone, the owner by nobody', () => {
    expect(remove(admin, member, stranger)).toEqual({ kind: 'removed', userIds: [member] });
    expect(remove(owner, admin, member)).toEqual({ kind: 'removed', userIds: [admin, member] });
    expect(() => remove(member, other)).toThrow(refused('NOT_AN_ADMIN'));
    expect(() => remove(admin, owner)).toThrow(refused('NOT_THE_OWNER'));
    expect(() => remove(stranger, member)).toThrow(refused('NOT_A_MEMBER'));
    expect(() => remove(gone, member)).toThrow(refused('NOT_A_MEMBER'));
    expect(remove(owner, stranger)).toBeUndefined();
  });

  it('may remove themselves, and only themselves', () => {
    expect(remove(member, member)).toEqual({ kind: 'removed', userIds: [member] });
    expect(() => remove(member, member, other)).toThrow(refused('NOT_AN_ADMIN'));
    expect(remove(admin, admin)).toEqual({ kind: 'removed', userIds: [admin] });
  });

  it('leave; the owner hands over first, or is the last to go', () => {
    expect(change(decideLeave(group, member))).toEqual({ kind: 'removed', userIds: [member] });
    expect(() => decideLeave(group, owner)).toThrow(refused('OWNER_MUST_TRANSFER'));
    expect(() => remove(owner, owner)).toThrow(refused('OWNER_MUST_TRANSFER'));
    expect(remove(owner, owner, admin, member, other)).toBeDefined();
    expect(() => decideLeave(group, stranger)).toThrow(refused('NOT_A_MEMBER'));
    const again = decideLeave(group, gone);
    expect([again.change, again.answer(group)]).toEqual([undefined, 5]);
  });

  it('join by invite, once', () => {
    const join = (actor: string, maxMembers = 100) => change(decideJoin(group, { actor, inviteId: 'i', maxMembers }));
    expect(join(gone)).toEqual({ kind: 'added', members: [{ userId: gone, role: 'member' }], inviteId: 'i' });
    expect(join(member)).toBeUndefined();
    expect(() => join(stranger, 4)).toThrow(refused('GROUP_FULL'));
  });
});

describe('roles', () => {
  const grant = (actor: string, userId: string) => change(decideGrantAdmin(group, { actor, userId }));
  const revoke = (actor: string, userId: string) => change(decideRevokeAdmin(group, { actor, userId }));
  const transfer = (actor: string, userId: string) => change(decideTransfer(group, { actor, userId }));

  it('are granted by admins, to members', () => {
    expect(grant(admin, member)).toEqual({ kind: 'roles', members: [{ userId: member, role: 'admin' }] });
    expect([grant(admin, admin), grant(admin, owner)]).toEqual([undefined, undefined]);
    expect(() => grant(member, other)).toThrow(refused('NOT_AN_ADMIN'));
    expect(() => grant(owner, gone)).toThrow(refused('USER_NOT_FOUND'));
  });

  it('are revoked by the owner', () => {
    expect(revoke(owner, admin)).toEqual({ kind: 'roles', members: [{ userId: admin, role: 'member' }] });
    expect(revoke(owner, member)).toBeUndefined();
    expect(() => revoke(admin, admin)).toThrow(refused('NOT_THE_OWNER'));
    expect(() => revoke(owner, owner)).toThrow(refused('OWNER_MUST_TRANSFER'));
  });

  it('of the owner are handed over whole', () => {
    expect(transfer(owner, member)).toEqual({
      kind: 'roles',
      members: [
        { userId: owner, role: 'admin' },
        { userId: member, role: 'owner' },
      ],
    });
    expect(transfer(owner, owner)).toBeUndefined();
    expect(() => transfer(admin, member)).toThrow(refused('NOT_THE_OWNER'));
    expect(() => transfer(owner, stranger)).toThrow(refused('USER_NOT_FOUND'));
  });
});

describe('a group', () => {
  it('is changed by admins; the message tells the whole of it', () => {
    const update = (actor: string, what: Parameters<typeof decideUpdate>[1]['update']) =>
      change(decideUpdate(group, { actor, update: what }));
    expect(update(admin, { name: 'knots', settings: { whoMaySend: 'admins' } })).toEqual({
      kind: 'group',
      name: 'knots',
      pictureMediaId: '',
      settings: { whoMaySend: 'admins', whoMayAdd: 'admins' },
    });
    expect(update(admin, { name: 'waders' })).toBeUndefined();
    expect(() => update(member, { name: 'knots' })).toThrow(refused('NOT_AN_ADMIN'));
  });

  it('shows who has left when that was, and nothing of its members', () => {
    expect(viewGroup(group, admin)).toMatchObject({ version: 5, memberCount: 4, myRole: 'admin' });
    expect(viewGroup(group, gone)).toMatchObject({ name: 'waders', version: 5, memberCount: 0, myRole: undefined });
    expect(() => viewGroup(group, stranger)).toThrow(refused('NOT_A_MEMBER'));
  });

  it('is paged by user id', () => {
    const all = [owner, admin, member, other].sort();
    const page = (after: string, limit: number) => pageMembers(group, { actor: member, after, limit });
    const first = page('', 3);
    expect(first.items.map(({ userId }) => userId)).toEqual(all.slice(0, 3));
    expect(page(first.nextAfter, 3)).toMatchObject({ items: [{ userId: all[3] }], nextAfter: '' });
    expect(page(all[3] ?? '', 3)).toEqual({ items: [], nextAfter: '' });
    expect(page('', 4).nextAfter).toBe('');
    expect(() => pageMembers(group, { actor: gone, after: '', limit: 3 })).toThrow(refused('NOT_A_MEMBER'));
  });
});
