import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSecrets, deriveKey } from '../src/crypto/keyed-secrets.js';
import { seal, unseal } from '../src/crypto/sealed-text.js';

const secrets = createSecrets({ phonePepper: 'pepper', masterKey: ['master'] });

describe('secrets', () => {
  it('make codes of six digits that are not all alike', () => {
    const codes = Array.from({ length: 200 }, () => secrets.newCode());
    expect(codes.every((code) => /^\d{6}$/.test(code))).toBe(true);
    expect(new Set(codes).size).toBeGreaterThan(150);
  });

  it('hash phones with the pepper', () => {
    const other = createSecrets({ phonePepper: 'other', masterKey: ['master'] });
    expect(secrets.phoneKey('+12025550101')).toBe(secrets.phoneKey('+12025550101'));
    expect(secrets.phoneKey('+12025550101')).not.toBe(other.phoneKey('+12025550101'));
  });

  it('derive the same successor from the same salt, and need the master key for it', () => {
    const token = secrets.newToken();
    const other = createSecrets({ phonePepper: 'pepper', masterKey: ['other'] });
    expect(secrets.nextToken(token, 's')).toBe(secrets.nextToken(token, 's'));
    expect(secrets.nextToken(token, 's')).not.toBe(secrets.nextToken(token, 't'));
    expect(secrets.nextToken(token, 's')).not.toBe(other.nextToken(token, 's'));
    expect(secrets.nextToken(token, 's')).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('compare texts of any length', () => {
    expect(secrets.same('a', 'a')).toBe(true);
    expect(secrets.same('a', 'ab')).toBe(false);
  });
});

describe('sealed texts', () => {
  const key = deriveKey('secret', 'test');

  it('come back with their key and label', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, label) => {
        expect(unseal(key, label, seal(key, label, text))).toBe(text);
      }),
    );
  });

  it('do not open with another key, another label, or a bit changed', () => {
    const sealed = seal(key, 'label', 'text');
    expect(() => unseal(deriveKey('other', 'test'), 'label', sealed)).toThrow();
    expect(() => unseal(key, 'other', sealed)).toThrow();
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => unseal(key, 'label', changed)).toThrow();
    }
  });
});
