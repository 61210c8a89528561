import { describe, expect, it } from 'vitest';
import { groupMembership, presenceOfUser, pushWake, typingIn } from '../src/subjects.js';

describe('subjects', () => {
  it('are made of ids and conversation ids', () => {
    expect(pushWake('u1')).toBe('push.wake.u1');
    expect(groupMembership('p:a:b')).toBe('group.membership.p:a:b');
  });

  it.each(['', '*', '>', 'a.b', 'a b', 'a\n', 'ä', 'a\u0000'])('refuse %j', (value) => {
    for (const subject of [pushWake, groupMembership, presenceOfUser, typingIn]) {
      expect(() => subject(value)).toThrow(RangeError);
    }
  });
});
