import { expect, it } from 'vitest';
import { stepsOf, type Known } from '../src/domain/trace.js';

const known: Known = {
  seq: 100,
  head: { conversationId: 'p:a:b', headSeq: 5_000, floorSeq: 0, expiredSeq: 4_999, membershipVersion: 1 },
  state: undefined,
  passedOver: false,
  recipients: [],
  cursors: [],
  noticed: [],
  eventsRead: 'too-old',
};

const stored = (what: Partial<Known>) => stepsOf({ ...known, ...what }).find(({ step }) => step === 'stored');

it('tells why the log has no document', () => {
  expect(stored({})?.detail).toContain('message-missing');
  expect(stored({ seq: 0 })).toMatchObject({ state: 'done', detail: 'purged since' });
  expect(stored({ passedOver: true })?.detail).toContain('a restore from a backup');
});
