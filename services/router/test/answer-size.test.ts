import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutPage, MAX_ANSWER_BYTES } from '../src/domain/answer-size.js';
import type { LogPage, StoredMessage } from '../src/domain/ports.js';

const messageOf = (seq: number, bytes: number): StoredMessage => ({
  conversationId: 'g',
  seq,
  serverTimeMs: 1,
  senderUserId: 'u',
  senderDeviceId: 'd',
  kind: 1,
  membershipVersion: 1,
  envelope: new Uint8Array(bytes),
});

it('cuts a page that is too large, and what is left covers its range without gaps', () => {
  // Per seq: 0 is gone, else the size of its envelope.
  const sizes = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300_000 })), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(sizes, fc.boolean(), (all, newestFirst) => {
      const messages = all.flatMap((bytes, i) => (bytes === 0 ? [] : [messageOf(i + 1, bytes)]));
      const gone = all.flatMap((bytes, i) => (bytes === 0 ? [{ fromSeq: i + 1, toSeq: i + 1, reason: 2 }] : []));
      if (newestFirst) messages.reverse();
      const whole = { floorSeq: 0, headSeq: all.length, coveredFromSeq: 1, coveredToSeq: all.length, more: false };
      const page: LogPage = { messages, gone, ...whole };
      const cut = cutPage(page, newestFirst);
      const bytes = cut.messages.reduce((sum, { envelope }) => sum + envelope.length, 0);
      expect(bytes <= MAX_ANSWER_BYTES || cut.messages.length === 1).toBe(true);
      const told = [...cut.messages.map(({ seq }) => seq), ...cut.gone.map(({ fromSeq }) => fromSeq)].sort(
        (a, b) => a - b,
      );
      const length = cut.coveredToSeq - cut.coveredFromSeq + 1;
      expect(told).toEqual(Array.from({ length }, (_, i) => cut.coveredFromSeq + i));
      expect(cut.more).toBe(cut.messages.length < messages.length);
      expect(newestFirst ? cut.coveredToSeq : cut.coveredFromSeq).toBe(newestFirst ? all.length : 1);
    }),
  );
});
