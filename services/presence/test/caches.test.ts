import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import { describe, expect, it } from 'vitest';
import { MembersCache } from '../src/domain/members-cache.js';
import type { RelationQuery } from '../src/domain/ports.js';
import { ALL_RIGHTS, NO_RIGHTS, type Relation } from '../src/domain/privacy.js';
import { RightsCache } from '../src/domain/rights-cache.js';

const OPEN: Relation = { exists: true, blocked: false, contact: false, online: 'everyone', lastSeen: 'everyone' };
const PAIR = { subject: 'ann', viewer: 'bob' };

const createRights = () => {
  const clock = new ManualClock();
  const account = { away: false, blocked: false, calls: [] as (readonly RelationQuery[])[], answer: Promise.resolve() };
  const rights = new RightsCache({
    clock,
    freshMs: 30_000,
    onError: () => undefined,
    read: async (queries) => {
      account.calls.push(queries);
      const { blocked } = account;
      await account.answer;
      if (account.away) throw new Error('away');
      return queries.map(() => ({ ...OPEN, blocked }));
    },
  });
  return { clock, account, rights };
};

describe('rights', () => {
  it('are hidden until known, asked for once, and known for 30 s', async () => {
    const { account, clock, rights } = createRights();
    expect(rights.peek(PAIR)).toBe(NO_RIGHTS);
    await Promise.all([rights.ensure([PAIR]), rights.ensure([PAIR])]);
    expect(rights.peek(PAIR)).toEqual(ALL_RIGHTS);
    clock.advance(30_000);
    await rights.ensure([PAIR]);
    expect(account.calls).toHaveLength(1);
    clock.advance(1);
    await rights.ensure([PAIR]);
    expect(account.calls).toHaveLength(2);
  });

  it('are asked for 500 at a time', async () => {
    const { account, rights } = createRights();
    await rights.ensure(
      Array.from({ length: 1_201 }, (_, index) => ({ subject: 'ann', viewer: `viewer${String(index)}` })),
    );
    expect(account.calls.map(({ length }) => length)).toEqual([500, 500, 201]);
  });

  it('are what was known while account is away, but not for ever', async () => {
    const { account, clock, rights } = createRights();
    await rights.ensure([PAIR]);
    account.away = true;
    clock.advance(9 * 60_000);
    await rights.ensure([PAIR]);
    expect(rights.peek(PAIR)).toEqual(ALL_RIGHTS);
    clock.advance(60_001);
    expect(rights.peek(PAIR)).toBe(NO_RIGHTS);
  });

  it.each([undefined, 'bob'])(
    'are hidden at once when the relations change (to %s), even with account away',
    async (other) => {
      const { account, rights } = createRights();
      await rights.ensure([PAIR, { subject: 'ann', viewer: 'eve' }]);
      account.away = true;
      rights.changed('ann', other);
      expect(rights.peek(PAIR)).toBe(NO_RIGHTS);
      expect(rights.peek({ subject: 'ann', viewer: 'eve' })).toEqual(other === undefined ? NO_RIGHTS : ALL_RIGHTS);
    },
  );

  it('that were read while they changed do not count', async () => {
    const { account, rights } = createRights();
    let release: () => void = () => undefined;
    account.answer = new Promise((resolve) => (release = resolve));
    const reading = rights.ensure([PAIR]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(account.calls).toHaveLength(1);
    account.blocked = true;
    rights.changed('ann', 'bob');
    release();
    await reading;
    expect(rights.peek(PAIR)).toBe(NO_RIGHTS);
    await rights.ensure([PAIR]);
    expect(rights.peek(PAIR)).toEqual(NO_RIGHTS);
    expect(account.calls).toHaveLength(2);
  });

  it('are read again after facts may have been missed', async () => {
    const { account, clock, rights } = createRights();
    await rights.ensure([PAIR]);
    clock.advance(1_000);
    rights.missedFacts();
    expect(rights.peek(PAIR)).toEqual(ALL_RIGHTS);
    account.blocked = true;
    await rights.ensure([PAIR]);
    expect(rights.peek(PAIR)).toEqual(NO_RIGHTS);
  });

  it('are not asked for again and again while account is away', async () => {
    const { account, clock, rights } = createRights();
    account.away = true;
    for (const viewer of ['bob', 'eve', 'joe']) await rights.ensure([{ subject: 'ann', viewer }]);
    expect(account.calls).toHaveLength(1);
    account.away = false;
    clock.advance(1_000);
    await rights.ensure([PAIR]);
    expect(rights.peek(PAIR)).toEqual(ALL_RIGHTS);
  });

  it('to oneself need nobody to ask', async () => {
    const { account, rights } = createRights();
    await rights.ensure([{ subject: 'ann', viewer: 'ann' }]);
    expect(rights.peek({ subject: 'ann', viewer: 'ann' })).toBe(ALL_RIGHTS);
    expect(account.calls).toEqual([]);
  });
});

describe('members', () => {
  const createMembers = () => {
    const clock = new ManualClock();
    const group = { away: false, members: new Set(['ann']) as Set<string> | undefined, calls: 0 };
    const members = new MembersCache({
      clock,
      freshMs: 30_000,
      onError: () => undefined,
      read: async () => {
        group.calls++;
        await Promise.resolve();
        if (group.away) throw new Error('away');
        return group.members;
      },
    });
    return { clock, group, members };
  };
  const conversation = groupConversation(newId());

  it('of a private conversation are in its id, of what is no conversation nobody', async () => {
    const { group, members } = createMembers();
    const [ann, bob] = [newId(), newId()];
    expect(await members.of(privateConversation(ann, bob))).toEqual(new Set([ann, bob]));
    expect(await members.of('p:__proto__:x')).toEqual(new Set());
    expect(group.calls).toBe(0);
  });

  it('are asked for once in 30 s, and after a change', async () => {
    const { clock, group, members } = createMembers();
    await Promise.all([members.of(conversation), members.of(conversation)]);
    expect(group.calls).toBe(1);
    group.members = new Set(['bob']);
    members.changed(conversation);
    expect(await members.of(conversation)).toEqual(new Set(['bob']));
    clock.advance(30_001);
    await members.of(conversation);
    members.missedFacts();
    await members.of(conversation);
    expect(group.calls).toBe(4);
  });

  it('are what was known while group is away, and nobody can tell after a while', async () => {
    const { clock, group, members } = createMembers();
    await members.of(conversation);
    group.away = true;
    clock.advance(60_000);
    expect(await members.of(conversation)).toEqual(new Set(['ann']));
    clock.advance(10 * 60_000);
    expect(await members.of(conversation)).toBeUndefined();
  });

  it('of a group that is no more are nobody', async () => {
    const { group, members } = createMembers();
    group.members = undefined;
    expect(await members.of(conversation)).toEqual(new Set());
  });
});
