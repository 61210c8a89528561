import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNoticeable, rightsOf, viewOf, type Audience } from '../src/domain/privacy.js';

const relation = { exists: true, blocked: false, contact: false, online: 'everyone', lastSeen: 'everyone' } as const;
const audience = fc.constantFrom<Audience>('everyone', 'contacts', 'nobody');
const relations = fc.record({
  exists: fc.boolean(),
  blocked: fc.boolean(),
  contact: fc.boolean(),
  online: audience,
  lastSeen: audience,
});
const presence = fc.record({ online: fc.boolean(), lastSeenMs: fc.nat() });

describe('privacy', () => {
  it.each<[Audience, boolean, boolean]>([
    ['everyone', false, true],
    ['everyone', true, true],
    ['contacts', false, false],
    ['contacts', true, true],
    ['nobody', false, false],
    ['nobody', true, false],
  ])('for %s, contact %s: %s, for online and for last seen apart', (who, contact, seen) => {
    expect(rightsOf({ ...relation, contact, online: who })).toEqual({ online: seen, lastSeen: true, typing: true });
    expect(rightsOf({ ...relation, contact, lastSeen: who })).toEqual({ online: true, lastSeen: seen, typing: true });
  });

  it('shows nothing to those who are blocked, and of those who do not exist', () => {
    fc.assert(
      fc.property(relations, presence, (how, what) => {
        const rights = rightsOf(how);
        if (how.exists && !how.blocked) return;
        expect(rights).toEqual({ online: false, lastSeen: false, typing: false });
        expect(viewOf(what, rights)).toEqual({ online: false, lastSeenMs: 0 });
      }),
    );
  });

  it('does not let an update itself tell what is hidden', () => {
    fc.assert(
      fc.property(relations, presence, presence, (how, before, after) => {
        const rights = rightsOf(how);
        const [seenBefore, seenAfter] = [viewOf(before, rights), viewOf(after, rights)];
        const looksDifferent = seenBefore.online !== seenAfter.online || seenBefore.lastSeenMs !== seenAfter.lastSeenMs;
        expect(isNoticeable(before, after, rights)).toBe(looksDifferent);
      }),
    );
  });
});
