import { newId } from '@godwit/ids/id';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyMembership,
  beginConversation,
  isAdmin,
  refusalToWrite,
  type ConversationView,
} from '../src/domain/conversation.js';
import { contains, isOpen } from '../src/domain/intervals.js';
import { KIND } from '../src/domain/kind.js';
import { groupByEdge, isWaking, recipientsOf, targetsOf } from '../src/domain/recipients.js';

const users = ['a', 'b', 'c', 'd'];

const begin = (): ConversationView => {
  const members = [{ userId: 'a', role: 'owner' as const }];
  const view = beginConversation('g:x', { type: 'created', members, whoMaySend: 'everyone' }, 1);
  if (view === undefined) throw new Error('not begun');
  return view;
};

describe('a conversation', () => {
  it('knows after any changes who saw which seq', () => {
    const changes = fc.array(
      fc.record({ add: fc.boolean(), userId: fc.constantFrom(...users), gap: fc.integer({ min: 1, max: 3 }) }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(changes, (steps) => {
        const view = begin();
        const present = new Set(['a']);
        const sees = new Map<number, Set<string>>([[1, new Set(['a'])]]);
        let seq = 1;
        for (const { add, userId, gap } of steps) {
          for (let quiet = 0; quiet < gap; quiet++) sees.set(++seq, new Set(present));
          seq++;
          const before = new Set(present);
          if (add) applyMembership(view, { type: 'added', members: [{ userId, role: 'member' }] }, seq);
          else applyMembership(view, { type: 'removed', userIds: [userId] }, seq);
          if (add) present.add(userId);
          else present.delete(userId);
          // Who is added sees it, and who is removed sees it last.
          sees.set(seq, new Set([...before, ...present]));
        }
        for (const [at, who] of sees) {
          expect(new Set(recipientsOf(view, at).map(({ userId }) => userId))).toEqual(who);
        }
        expect(view.memberCount).toBe(present.size);
        expect(view.version).toBe(steps.length === 0 ? 1 : seq);
        for (const [userId, { intervals }] of view.members) {
          expect(isOpen(intervals)).toBe(present.has(userId));
          expect(contains(intervals, seq + 1)).toBe(present.has(userId));
        }
      }),
    );
  });

  it('tells from which message on a new member sees it', () => {
    const view = begin();
    applyMembership(view, { type: 'added', members: [{ userId: 'b', role: 'member' }] }, 7);
    expect(recipientsOf(view, 7)).toEqual([
      { userId: 'a', starting: false },
      { userId: 'b', starting: true },
    ]);
    expect(recipientsOf(view, 1)).toEqual([{ userId: 'a', starting: false }]);
    applyMembership(view, { type: 'removed', userIds: ['b'] }, 9);
    applyMembership(view, { type: 'added', members: [{ userId: 'b', role: 'member' }] }, 12);
    // What it lacks of its first time is not to be counted as seen.
    expect(recipientsOf(view, 12).find(({ userId }) => userId === 'b')?.starting).toBe(false);
  });

  it('lets admins only write where it says so, but marks and taking back from everybody', () => {
    const view = begin();
    applyMembership(view, { type: 'added', members: [{ userId: 'b', role: 'member' }] }, 2);
    view.whoMaySend = 'admins';
    const writing = { userId: 'b', kind: KIND.text as number, targetSeq: 0 };
    expect(refusalToWrite(view, writing)?.reason).toBe('ADMINS_ONLY');
    expect(refusalToWrite(view, { ...writing, kind: KIND.seen, targetSeq: 2 })).toBeUndefined();
    expect(refusalToWrite(view, { ...writing, kind: KIND.delete, targetSeq: 1 })?.reason).toBe('TARGET_NOT_FOUND');
    expect(refusalToWrite(view, { ...writing, userId: 'a' })).toBeUndefined();
    applyMembership(view, { type: 'roles', members: [{ userId: 'b', role: 'admin' }] }, 3);
    expect(refusalToWrite(view, writing)).toBeUndefined();
    expect(isAdmin(view, 'b')).toBe(true);
    expect(refusalToWrite(view, { ...writing, userId: 'z' })?.reason).toBe('NOT_A_MEMBER');
    expect(applyMembership(view, { type: 'other' }, 4)).toBe(false);
  });
});

describe('fan-out', () => {
  const message = {
    conversationId: 'g:x',
    seq: 7,
    serverTimeMs: 1,
    senderUserId: 'a',
    senderDeviceId: 'a1',
    ackedDeviceId: 'a1',
    kind: KIND.text as number,
    membershipVersion: 1,
    envelope: new Uint8Array(),
    traceparent: '',
  };
  const session = (deviceId: string, edgeId: string) => ({ deviceId, edgeId, edgeIncarnation: 'i', handle: 1 });

  it('leaves out the device that has the ack, and no other', () => {
    const sessions = [session('a1', 'e0'), session('a2', 'e1')];
    const targets = targetsOf(message, { userId: 'a', starting: false }, sessions);
    expect(targets.map(({ deviceId }) => deviceId)).toEqual(['a2']);
    expect(targetsOf({ ...message, ackedDeviceId: '' }, { userId: 'a', starting: false }, sessions)).toHaveLength(2);
    expect(targetsOf(message, { userId: 'b', starting: true }, sessions)).toHaveLength(2);
  });

  it('groups by edge and incarnation', () => {
    const target = (edgeId: string, edgeIncarnation: string) => ({
      userId: newId(),
      deviceId: newId(),
      edgeId,
      edgeIncarnation,
      handle: 1,
      starting: false,
    });
    const groups = groupByEdge([target('e0', 'i'), target('e1', 'i'), target('e0', 'i'), target('e0', 'j')]);
    expect(groups.map(({ length }) => length)).toEqual([2, 1, 1]);
    expect(groupByEdge([])).toEqual([]);
  });

  it('wakes for messages and for being taken in, not the sender, not the muted, not for reactions', () => {
    const member = { userId: 'b', mutedUntilMs: 0, intervals: [{ from: 7, to: Infinity }] };
    expect(isWaking(message, member, 100)).toBe(true);
    expect(isWaking(message, { ...member, userId: 'a' }, 100)).toBe(false);
    expect(isWaking(message, { ...member, mutedUntilMs: 200 }, 100)).toBe(false);
    expect(isWaking(message, { ...member, mutedUntilMs: 50 }, 100)).toBe(true);
    expect(isWaking({ ...message, kind: KIND.reaction }, member, 100)).toBe(false);
    expect(isWaking({ ...message, kind: KIND.membership }, member, 100)).toBe(true);
    expect(isWaking({ ...message, kind: KIND.membership, seq: 8 }, member, 100)).toBe(false);
  });
});
