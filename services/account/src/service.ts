import { ACCOUNT } from '@godwit/bus/streams';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { ensureIndexes } from '@godwit/mongo/collection';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { connectRedis } from '@godwit/redis/connect';
import { keyspace } from '@godwit/redis/keys';
import { connectNodes } from '@godwit/rpc/node-pool';
import { serve, startRpcServer, type Handlers } from '@godwit/rpc/server';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { Db } from 'mongodb';
import type { AccountConfig } from './config.js';
import { createSecrets } from './crypto/keyed-secrets.js';
import { SigningKeys } from './crypto/signing-keys.js';
import { createApiKeys } from './domain/api-keys.js';
import { createBot } from './domain/create-bot.js';
import { importUsers } from './domain/import-users.js';
import type { AccountFacts, RateLimiter, SmsGateway, SocketCloser } from './domain/ports.js';
import { createProfiles } from './domain/profiles.js';
import { refreshToken } from './domain/refresh-token.js';
import { createRelations } from './domain/relations.js';
import { removeDevice } from './domain/remove-device.js';
import { loginUser, registerUser } from './domain/sign-in.js';
import { startVerification } from './domain/start-verification.js';
import { createTickets } from './domain/tickets.js';
import { createUserNames } from './domain/user-names.js';
import { validateAccount } from './domain/validate-account.js';
import { createActing } from './grpc/acting.js';
import { fleetHandlers } from './grpc/fleet-handlers.js';
import { withRefusals } from './grpc/refusal-status.js';
import { signInHandlers } from './grpc/sign-in-handlers.js';
import { createSocketCloser } from './grpc/socket-closer.js';
import { TEAM_SCOPES, teamHandlers } from './grpc/team-handlers.js';
import { profileHandlers, relationHandlers } from './grpc/user-handlers.js';
import { createNameClaims, createPhoneClaims } from './mongo/claims.js';
import { ACCOUNT_COLLECTIONS } from './mongo/collections.js';
import { createBlockList, createContactBook } from './mongo/contact-book.js';
import { createDeviceRegistry } from './mongo/device-registry.js';
import { createApiKeyStore, createImportLedger, createSigningKeyStore } from './mongo/key-stores.js';
import { createRefreshTokenStore, createTicketStore } from './mongo/token-stores.js';
import { createUserDirectory } from './mongo/user-directory.js';
import { createSendHistoryStore, createVerificationStore } from './mongo/verification-stores.js';
import { createAccountFacts } from './nats/account-facts.js';
import { createRateLimiter } from './redis/rate-limiter.js';
import { observeGateway } from './sms/observed-gateway.js';
import { createOutboxGateway } from './sms/outbox-gateway.js';
import { createWebhookGateway } from './sms/webhook-gateway.js';

/** What tests put in place of the real thing. */
export interface AccountOverrides {
  readonly clock?: Clock;
  readonly sms?: SmsGateway;
  readonly sockets?: SocketCloser;
  readonly facts?: AccountFacts;
  readonly mongo?: Mongo;
}

export interface RunningAccount {
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** The longest life of a token: ImportUsers gives such. */
const TOKEN_MAX_MS = 24 * 3_600_000;
const PUBLISH_AHEAD_MS = 10 * 60_000;
const KEY_REFRESH_MS = 60_000;
const MINUTE_MS = 60_000;

/** What the account's rules stand on. */
interface Ground {
  readonly config: AccountConfig;
  readonly life: Lifecycle;
  readonly db: Db;
  readonly clock: Clock;
  readonly sms: SmsGateway;
  readonly sockets: SocketCloser;
  readonly facts: AccountFacts;
  readonly searches: RateLimiter;
}

export const startAccount = async (
  config: AccountConfig,
  life: Lifecycle,
  overrides: AccountOverrides = {},
): Promise<RunningAccount> => {
  const { logger } = life;
  const clock = overrides.clock ?? systemClock;
  const metrics = createMetrics({ service: 'account', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const mongo = overrides.mongo ?? (await openMongo(config, life, metrics));
  health.check('mongo', () => mongo.ping());
  await ensureIndexes(mongo.db, ACCOUNT_COLLECTIONS);

  const wired = await wire({
    config,
    life,
    clock,
    db: mongo.db,
    sms: observeGateway(overrides.sms ?? createSms(config, { life, clock }), { metrics, logger }),
    sockets: overrides.sockets ?? openSockets(config, life, metrics),
    facts: overrides.facts ?? createAccountFacts(openBus(config, life, metrics), logger),
    searches: openSearchLimiter(config, { life, clock, metrics }),
  });
  const { port } = await startRpcServer({
    listen: config.grpcListen,
    services: [serve(AccountServiceService, wired.handlers, TEAM_SCOPES)],
    auth: { fleetToken: config.fleetToken, verifyApiKey: wired.verifyApiKey },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  health.started();
  return { grpcPort: port, httpPort: health.port };
};

const wire = async (ground: Ground) => {
  const { config, db, clock, sms, sockets, facts, searches } = ground;
  const secrets = createSecrets({ phonePepper: config.phonePepper, masterKey: config.masterKey });
  const signer = await openSigningKeys(ground);
  const terms = config.tokens;
  const stores = openStores(db, clock);
  const { users, devices, phones, blocks, contacts } = stores;

  const names = createUserNames({ clock, claims: stores.nameClaims, users });
  const remove = removeDevice({ devices, sockets, facts });
  const start = startVerification({ ...stores, clock, secrets, sms, limits: config.codes });
  const apiKeys = createApiKeys({ store: stores.apiKeys, secrets, bootstrapKeys: config.bootstrapApiKey });
  const tickets = createTickets({ clock, secrets, tickets: stores.tickets, devices, accessMs: terms.accessMs });
  const relations = createRelations({ users, contacts, blocks, facts });
  const profiles = createProfiles({ users, phones, blocks, names, facts, secrets, searches });
  // What the rules that issue tokens need.
  const issuing = { ...stores, clock, signer, secrets, terms, names, removeDevice: remove };

  const acting = createActing(devices);
  const userCalls = { acting, profiles, relations, devices, removeDevice: remove };
  const handlers: Handlers<typeof AccountServiceService> = {
    ...signInHandlers({
      acting,
      apiKeys,
      registerUser: registerUser({ phones, secrets, names, start }),
      loginUser: loginUser({ phones, secrets, start }),
      validateAccount: validateAccount(issuing),
      refreshToken: refreshToken(issuing),
      removeDevice: remove,
      tickets,
    }),
    ...profileHandlers(userCalls),
    ...relationHandlers(userCalls),
    ...teamHandlers({ apiKeys, createBot: createBot(issuing), importUsers: importUsers(issuing) }),
    ...fleetHandlers({ apiKeys, jwks: () => signer.jwks(), tickets, users, devices, relations }),
  };
  const verifyApiKey = async (key: string) => {
    const found = await apiKeys.verify(key);
    return found === undefined ? undefined : { callerId: found.id, scopes: found.scopes };
  };
  return { handlers: withRefusals(handlers, ground.life.logger), verifyApiKey };
};

const openStores = (db: Db, clock: Clock) => ({
  users: createUserDirectory(db, clock),
  devices: createDeviceRegistry(db, clock),
  phones: createPhoneClaims(db, clock),
  nameClaims: createNameClaims(db, clock),
  contacts: createContactBook(db, clock),
  blocks: createBlockList(db, clock),
  refreshTokens: createRefreshTokenStore(db),
  tickets: createTicketStore(db),
  verifications: createVerificationStore(db),
  histories: createSendHistoryStore(db),
  apiKeys: createApiKeyStore(db, clock),
  ledger: createImportLedger(db),
});

const openMongo = async (config: AccountConfig, life: Lifecycle, metrics: Metrics): Promise<Mongo> => {
  const mongo = await connectMongo({
    url: config.mongoUrl,
    database: config.namespace,
    appName: config.node,
    logger: life.logger,
    metrics,
    signal: life.signal,
  });
  life.onStop('close', 'mongo', () => mongo.close());
  return mongo;
};

const openSigningKeys = async ({ config, life, db, clock }: Ground): Promise<SigningKeys> => {
  const { accessMs, rotateKeysAfterMs } = config.tokens;
  const schedule = {
    rotateAfterMs: rotateKeysAfterMs,
    publishAheadMs: Math.min(PUBLISH_AHEAD_MS, rotateKeysAfterMs / 2),
    tokenMaxMs: Math.max(TOKEN_MAX_MS, accessMs),
  };
  const store = createSigningKeyStore(db);
  const keys = new SigningKeys({ store, clock, masterKey: config.masterKey, logger: life.logger, schedule });
  await keys.refresh();
  const timer = setInterval(() => {
    keys.refresh().catch((error: unknown) => {
      life.logger.error({ err: error }, 'the signing keys could not be read again');
    });
  }, KEY_REFRESH_MS);
  life.onStop('close', 'signing keys', () => {
    clearInterval(timer);
  });
  return keys;
};

const createSms = (
  { sms }: AccountConfig,
  { life, clock }: { readonly life: Lifecycle; readonly clock: Clock },
): SmsGateway => {
  switch (sms.kind) {
    case 'outbox':
      return createOutboxGateway({ file: sms.file, clock, logger: life.logger });
    case 'webhook':
      return createWebhookGateway({ url: sms.url, token: sms.token });
  }
};

const openSockets = (config: AccountConfig, life: Lifecycle, metrics: Metrics): SocketCloser => {
  const { logger, signal } = life;
  const sessions = connectNodes(SessionServiceService, {
    nodes: config.sessions,
    self: config.node,
    fleetToken: config.fleetToken,
    tls: config.tls,
    logger,
    metrics,
  });
  life.onStop('close', 'session channels', () => {
    sessions.close();
  });
  return createSocketCloser({ sessions, logger, signal, giveUpAfterMs: config.tokens.accessMs });
};

const openBus = (config: AccountConfig, life: Lifecycle, metrics: Metrics): Bus => {
  const { node, natsUrl, namespace, natsStreamReplicas: streamReplicas } = config;
  const { logger } = life;
  const streams = [ACCOUNT];
  const bus = connectBus({ url: natsUrl, namespace, name: node, logger, metrics, streams, streamReplicas });
  life.onStop('close', 'bus', () => bus.close());
  return bus;
};

const openSearchLimiter = (
  config: AccountConfig,
  { life, clock, metrics }: { readonly life: Lifecycle; readonly clock: Clock; readonly metrics: Metrics },
): RateLimiter => {
  const redis = connectRedis({ url: config.redisUrl, logger: life.logger, metrics });
  life.onStop('close', 'redis', () => redis.close());
  return createRateLimiter({
    redis,
    keys: keyspace(config.namespace, 'account'),
    name: 'find-user',
    perWindow: config.findUserPerMinute,
    windowMs: MINUTE_MS,
    clock,
  });
};
