import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDisplayName, readExternalId, readIds, readPhone, readUserName } from '../src/domain/fields.js';
import { Refusal } from '../src/domain/refusal.js';

describe('phone numbers', () => {
  it.each([
    ['+12025550101', '+12025550101'],
    ['+1 (202) 555-0101', '+12025550101'],
    ['+49 151 12345678', '+4915112345678'],
    ['+44 20 7946 0958', '+442079460958'],
  ])('%s is kept as %s', (written, kept) => {
    expect(readPhone(written, 'phone')).toBe(kept);
  });

  it.each(['', '2025550101', '+', '+1', '+999123456789', '+1202555010112345', '+1202555x0101', 'tel:+12025550101'])(
    '%j is refused',
    (written) => {
      expect(() => readPhone(written, 'phone')).toThrow(Refusal);
    },
  );

  it('never throw anything but a refusal', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const written of [text, `+${text}`]) {
          try {
            expect(readPhone(written, 'phone')).toMatch(/^\+\d{5,15}$/);
          } catch (error) {
            expect(error).toBeInstanceOf(Refusal);
          }
        }
      }),
    );
  });
});

describe('names and ids', () => {
  it('take nothing that means something elsewhere', () => {
    for (const bad of ['__proto__', 'a.b', 'a*', 'a>b', '$set', 'ab', 'A_name', '1abc', 'a'.repeat(33)]) {
      expect(() => readUserName(bad, 'user_name')).toThrow(Refusal);
    }
    for (const bad of ['__proto__', 'constructor', 'a.b', '$x', '', 'a'.repeat(65)]) {
      expect(() => readExternalId(bad, 'external_id')).toThrow(Refusal);
    }
    expect(readUserName('a_1', 'user_name')).toBe('a_1');
  });

  it('count what people see', () => {
    expect(readDisplayName(' \u0041\u030a ', 'display_name')).toBe('\u00c5');
    expect(readDisplayName('👩'.repeat(64), 'display_name')).toHaveLength(128);
    expect(() => readDisplayName('👩'.repeat(65), 'display_name')).toThrow(Refusal);
  });

  it('name the entry that is bad', () => {
    const good = 'a'.repeat(26);
    expect(readIds([good, good], 'user_ids', 2)).toEqual([good]);
    try {
      readIds([good, 'x'], 'user_ids', 2);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ detail: { field: 'user_ids[1]' } });
    }
  });
});
