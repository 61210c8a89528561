import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  groupConversation,
  isConversationId,
  parseConversation,
  peerOf,
  privateConversation,
} from '../src/conversation.js';
import { isClientMessageId, isDeviceId, isId, newId } from '../src/id.js';

const id = fc.constant(null).map(() => newId());
const HOSTILE = [
  '',
  '$where',
  'a.b',
  '*',
  '>',
  'p:*:>',
  '__proto__',
  'constructor',
  'toString',
  ' ',
  'ä'.repeat(26),
  '\u0000',
];

describe('ids', () => {
  it('are 26 characters of base32 and differ', () => {
    const ids = Array.from({ length: 10_000 }, newId);
    expect(ids.every((value) => /^[a-z2-7]{26}$/.test(value))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('use the whole alphabet in every place but the padded last', () => {
    const ids = Array.from({ length: 4_000 }, newId);
    for (let place = 0; place < 25; place++) expect(new Set(ids.map((value) => value.charAt(place))).size).toBe(32);
    expect(new Set(ids.map((value) => value.charAt(25))).size).toBe(8);
  });

  it.each([...HOSTILE, 'a'.repeat(25), 'a'.repeat(27), 'A'.repeat(26), '1'.repeat(26), `${'a'.repeat(26)}\n`])(
    'refuses %j',
    (value) => {
      expect(isId(value)).toBe(false);
      expect(isDeviceId(value)).toBe(false);
      expect(isConversationId(value)).toBe(false);
    },
  );

  it.each([undefined, null, 7, {}, [newId()]])('refuses %j, which is no text', (value) => {
    expect([isId(value), isClientMessageId(value), isConversationId(value)]).toEqual([false, false, false]);
  });
});

describe('client message ids', () => {
  it.each(['a', 'A_z-9', 'x'.repeat(64), newId()])('accepts %s', (value) => {
    expect(isClientMessageId(value)).toBe(true);
  });

  it.each([...HOSTILE, 'x'.repeat(65), 'a:b', 'valueOf', 'a\n'])('refuses %j', (value) => {
    expect(isClientMessageId(value)).toBe(false);
  });
});

describe('conversations', () => {
  it('of two users are the same whoever asks, and are taken apart again', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        const conversation = privateConversation(a, b);
        expect(privateConversation(b, a)).toBe(conversation);
        const parsed = parseConversation(conversation);
        expect(parsed).toEqual({ kind: 'private', users: [a, b].sort() });
        if (parsed?.kind === 'private') {
          expect(peerOf(parsed, a)).toBe(b);
          expect(peerOf(parsed, newId())).toBeUndefined();
        }
      }),
    );
  });

  it('of groups are taken apart again', () => {
    const group = newId();
    expect(parseConversation(groupConversation(group))).toEqual({ kind: 'group', id: group });
  });

  it('have one spelling', () => {
    const [a, b] = [newId(), newId()].sort() as [string, string];
    for (const other of [
      `p:${b}:${a}`,
      `p:${a}:${a}`,
      `p:${a}`,
      `p:${a}:${b}:`,
      `p:${a}:${b}x`,
      `P:${a}:${b}`,
      `g:${a}:${b}`,
      `g:`,
      a,
    ]) {
      expect(parseConversation(other), other).toBeUndefined();
    }
  });

  it('are not made of anything but two different ids', () => {
    const user = newId();
    expect(() => privateConversation(user, user)).toThrow(RangeError);
    expect(() => privateConversation(user, '$ne')).toThrow(RangeError);
    expect(() => groupConversation('g:x')).toThrow(RangeError);
  });

  it('never parse what fast-check makes up', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseConversation(text)).toBeUndefined();
      }),
    );
  });
});
