import { baseSettings, mongoUrl, natsStreamReplicas, natsUrl, redisUrl } from '@godwit/runtime/base-config';
import {
  duration,
  integer,
  isProduction,
  loadConfig,
  nodes,
  optional,
  rotatingSecret,
  secret,
  text,
  url,
  type ConfigOf,
  type Env,
  type Setting,
} from '@godwit/runtime/config';

/** Where one-time codes go. */
export type SmsConfig =
  | { readonly kind: 'outbox'; readonly file: string }
  | { readonly kind: 'webhook'; readonly url: string; readonly token: string | undefined };

const OUTBOX = 'GODWIT_SMS_OUTBOX';
const WEBHOOK = 'GODWIT_SMS_WEBHOOK_URL';

const outboxFile = optional(text(OUTBOX));
const webhookUrl = optional(url(WEBHOOK, ['https', 'http']));
const webhookToken = optional(text('GODWIT_SMS_WEBHOOK_TOKEN'));

// A gateway that writes codes where people can read them signs anybody in as anybody: not in production.
const sms: Setting<SmsConfig> = {
  name: `${OUTBOX}, ${WEBHOOK}`,
  secret: false,
  read: (env) => {
    const file = outboxFile.read(env);
    const webhook = webhookUrl.read(env);
    if (isProduction(env) && file !== undefined) {
      throw new RangeError(`: the outbox writes one-time codes to a file, which production refuses; set ${WEBHOOK}`);
    }
    if (webhook !== undefined && file !== undefined) throw new RangeError('exclude each other: set one of them');
    if (webhook !== undefined) return { kind: 'webhook', url: webhook, token: webhookToken.read(env) };
    if (isProduction(env)) throw new RangeError(`: production needs a gateway for one-time codes; set ${WEBHOOK}`);
    return { kind: 'outbox', file: file ?? '.godwit/sms-outbox.jsonl' };
  },
};

/** A setting whose default is another in production. */
const byEnvironment = <T>(development: Setting<T>, production: Setting<T>): Setting<T> => ({
  ...development,
  read: (env) => (isProduction(env) ? production : development).read(env),
});

const settings = {
  ...baseSettings({ service: 'account', grpcPort: 7109, httpPort: 9109 }),
  mongoUrl,
  natsUrl,
  natsStreamReplicas,
  redisUrl,
  sessions: nodes('GODWIT_SESSION_NODES', 'session-0=127.0.0.1:7106,session-1=127.0.0.1:7107'),
  /** Seals the signing keys; keys the refresh tokens. */
  masterKey: rotatingSecret('GODWIT_MASTER_KEY', 'sample-master-key-for-development-only'),
  /** Keys the hashes of phone numbers and codes. Another one, and no phone finds its user. */
  phonePepper: secret('GODWIT_PHONE_PEPPER', 'sample-phone-pepper-for-development-only'),
  bootstrapApiKey: rotatingSecret('GODWIT_BOOTSTRAP_API_KEY', 'godwit-development-key'),
  sms,
  codes: {
    resendAfterMs: byEnvironment(
      duration('GODWIT_CODE_RESEND_AFTER', '1s'),
      duration('GODWIT_CODE_RESEND_AFTER', '30s'),
    ),
    perDay: byEnvironment(
      integer('GODWIT_CODES_PER_DAY', { min: 1, max: 1_000, fallback: 1_000 }),
      integer('GODWIT_CODES_PER_DAY', { min: 1, max: 1_000, fallback: 10 }),
    ),
  },
  tokens: {
    accessMs: duration('GODWIT_ACCESS_TOKEN_VALID', '15m'),
    refreshMs: duration('GODWIT_REFRESH_TOKEN_VALID', '60d'),
    refreshGraceMs: duration('GODWIT_REFRESH_GRACE', '30s'),
    rotateKeysAfterMs: duration('GODWIT_SIGNING_KEY_ROTATION', '30d'),
  },
  findUserPerMinute: integer('GODWIT_FIND_USER_PER_MINUTE', { min: 1, max: 100_000, fallback: 60 }),
};

export type AccountConfig = ConfigOf<typeof settings>;

export const loadAccountConfig = (env: Env): AccountConfig => loadConfig(settings, env);
