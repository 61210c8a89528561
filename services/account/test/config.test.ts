import { describe, expect, it } from 'vitest';
import { loadAccountConfig } from '../src/config.js';

const secret = 'a-real-secret-of-enough-characters';
const PRODUCTION = {
  GODWIT_ENV: 'production',
  GODWIT_FLEET_TOKEN: secret,
  GODWIT_MASTER_KEY: secret,
  GODWIT_PHONE_PEPPER: secret,
  GODWIT_BOOTSTRAP_API_KEY: secret,
  GODWIT_SMS_WEBHOOK_URL: 'https://sms.example/send',
};

describe('the configuration', () => {
  it('needs nothing in development', () => {
    const config = loadAccountConfig({});
    expect(config).toMatchObject({
      bootstrapApiKey: ['godwit-development-key'],
      sms: { kind: 'outbox' },
      codes: { resendAfterMs: 1_000 },
      tokens: { accessMs: 900_000, refreshMs: 60 * 86_400_000 },
    });
  });

  it('is complete and stricter in production', () => {
    expect(loadAccountConfig(PRODUCTION)).toMatchObject({
      sms: { kind: 'webhook', url: 'https://sms.example/send' },
      codes: { resendAfterMs: 30_000, perDay: 10 },
    });
  });

  it.each([
    ['GODWIT_MASTER_KEY', 'sample-master-key-for-development-only'],
    ['GODWIT_PHONE_PEPPER', 'sample-phone-pepper-for-development-only'],
    ['GODWIT_BOOTSTRAP_API_KEY', 'godwit-development-key'],
    ['GODWIT_MASTER_KEY', ''],
    ['GODWIT_PHONE_PEPPER', 'short'],
  ])('of production refuses %s=%s', (name, value) => {
    expect(() => loadAccountConfig({ ...PRODUCTION, [name]: value })).toThrow(name);
  });

  it('of production refuses to start without a gateway, and with one that writes codes to a file', () => {
    const without = { ...PRODUCTION, GODWIT_SMS_WEBHOOK_URL: '' };
    expect(() => loadAccountConfig(without)).toThrow('production needs a gateway for one-time codes');
    const outbox = { ...PRODUCTION, GODWIT_SMS_OUTBOX: 'codes.jsonl' };
    expect(() => loadAccountConfig(outbox)).toThrow(
      'the outbox writes one-time codes to a file, which production refuses',
    );
  });

  it('names one gateway', () => {
    const both = { GODWIT_SMS_OUTBOX: 'a', GODWIT_SMS_WEBHOOK_URL: 'http://127.0.0.1/' };
    expect(() => loadAccountConfig(both)).toThrow('exclude each other');
  });
});
