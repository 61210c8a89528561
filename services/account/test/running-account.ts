import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { connectMongo } from '@godwit/mongo/connect';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import { clientChannelOptions } from '@godwit/rpc/channel';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { ManualClock } from '@godwit/runtime/clock';
import { createMetrics } from '@godwit/telemetry/metrics';
import { watchMongoCommands, type MongoCommandWatch } from '@godwit/testkit/mongo-command-watcher';
import { testServers } from '@godwit/testkit/test-servers';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { MongoClient, type Db } from 'mongodb';
import { loadAccountConfig } from '../src/config.js';
import type { AccountFacts, SmsGateway, SocketCloser } from '../src/domain/ports.js';
import { startAccount } from '../src/service.js';

type Account = typeof AccountServiceService;
type RequestOf<N extends keyof Account> = ReturnType<Account[N]['requestDeserialize']>;
type ResponseOf<N extends keyof Account> = ReturnType<Account[N]['responseDeserialize']>;

export const FLEET_TOKEN = 'fleet-token-of-this-test';
export const DEVELOPMENT_KEY = 'godwit-development-key';

const BY_ID = ['_id'];

/** Records what went out. */
export class Outbox implements SmsGateway {
  readonly sent: { phone: string; code: string }[] = [];
  fails = false;

  send(message: { phone: string; code: string }): Promise<void> {
    if (this.fails) return Promise.reject(new Error('no network'));
    this.sent.push(message);
    return Promise.resolve();
  }

  codeFor(phone: string): string {
    return this.sent.findLast((message) => message.phone === phone)?.code ?? 'none';
  }
}

export interface RunningAccount extends AsyncDisposable {
  readonly port: number;
  readonly clock: ManualClock;
  readonly sms: Outbox;
  readonly closed: { userId: string; deviceIds: readonly string[] }[];
  readonly facts: string[];
  /** For looks of the test's own: not watched. */
  readonly db: Db;
  readonly watch: MongoCommandWatch;
  readonly pool: NodePool<Account>;
  /** Calls as a fleet member, for a device. */
  as<N extends keyof Account>(
    actor: { userId: string; deviceId: string } | undefined,
    method: N,
    request: Partial<RequestOf<N>>,
  ): Promise<ResponseOf<N>>;
  withKey<N extends keyof Account>(key: string, method: N, request: Partial<RequestOf<N>>): Promise<ResponseOf<N>>;
}

export interface StartOptions {
  readonly namespace: string;
  readonly clock?: ManualClock;
  readonly env?: Record<string, string>;
  /** Leave the real facts and the real socket closer in place. */
  readonly realPeers?: boolean;
}

/** The service in this process, on real servers, with a clock that stands still. */
export const startTestAccount = async (options: StartOptions): Promise<RunningAccount> => {
  const servers = testServers();
  const config = loadAccountConfig({
    GODWIT_NAMESPACE: options.namespace,
    GODWIT_MONGO_URL: servers.mongoUrl,
    GODWIT_NATS_URL: servers.natsUrl,
    GODWIT_REDIS_URL: servers.redisUrl,
    GODWIT_GRPC_LISTEN: '127.0.0.1:0',
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    GODWIT_FLEET_TOKEN: FLEET_TOKEN,
    ...options.env,
  });
  const life = new Lifecycle({ logger: silentLogger });
  const mongo = await connectMongo({
    url: servers.mongoUrl,
    database: options.namespace,
    appName: 'account-test',
    logger: silentLogger,
    monitorCommands: true,
  });
  const peek = await MongoClient.connect(servers.mongoUrl, { maxPoolSize: 1 });
  const watch = watchMongoCommands(mongo.client, {
    shardKeys: { verifications: BY_ID, verification_sends: BY_ID, tickets: BY_ID, signing_keys: BY_ID, imports: BY_ID },
    allow: [{ collection: 'signing_keys', command: 'find', reason: 'a handful of rows, not sharded' }],
  });
  const clock = options.clock ?? new ManualClock(Date.now());
  const sms = new Outbox();
  const closed: { userId: string; deviceIds: readonly string[] }[] = [];
  const facts: string[] = [];
  const sockets: SocketCloser = {
    close: (userId, deviceIds) => {
      closed.push({ userId, deviceIds });
      return Promise.resolve();
    },
  };
  const told: AccountFacts = {
    profileChanged: (userId) => facts.push(`profile ${userId}`),
    relationsChanged: (userId, other = '') => facts.push(`relations ${userId} ${other}`),
    deviceRevoked: (userId, deviceId) => facts.push(`device ${userId} ${deviceId}`),
  };
  const peers = options.realPeers === true ? {} : { sockets, facts: told };
  const { grpcPort: port } = await startAccount(config, life, { clock, sms, mongo, ...peers });
  const metrics = createMetrics({ service: 'test', node: 'test-0', processMetrics: false });
  const nodes = [{ name: 'account-0', host: '127.0.0.1', port }];
  const pool = connectNodes(AccountServiceService, {
    nodes,
    self: 'test-0',
    fleetToken: [FLEET_TOKEN],
    logger: silentLogger,
    metrics,
  });
  const client = new Client(`127.0.0.1:${String(port)}`, credentials.createInsecure(), clientChannelOptions);
  const call = <N extends keyof Account>(method: N, request: Partial<RequestOf<N>>, metadata: Metadata) =>
    new Promise<ResponseOf<N>>((resolve, reject) => {
      const { path, requestSerialize, requestDeserialize, responseDeserialize } = AccountServiceService[method];
      client.makeUnaryRequest<unknown, ResponseOf<N>>(
        path,
        requestSerialize as (value: unknown) => Buffer,
        responseDeserialize as (bytes: Buffer) => ResponseOf<N>,
        // What isn't named has its default value, as on the wire.
        { ...(requestDeserialize(Buffer.alloc(0)) as RequestOf<N>), ...request },
        metadata,
        { deadline: Date.now() + 10_000 },
        (error, response) => {
          if (error !== null) reject(error);
          else if (response === undefined) reject(new Error('an answer without a message'));
          else resolve(response);
        },
      );
    });
  return {
    port,
    clock,
    sms,
    closed,
    facts,
    db: peek.db(options.namespace),
    watch,
    pool,
    as: (actor, method, request) => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${FLEET_TOKEN}`);
      if (actor !== undefined) {
        metadata.set('godwit-user', actor.userId);
        metadata.set('godwit-device', actor.deviceId);
      }
      return call(method, request, metadata);
    },
    withKey: (key, method, request) => {
      const metadata = new Metadata();
      metadata.set('x-api-key', key);
      return call(method, request, metadata);
    },
    async [Symbol.asyncDispose]() {
      client.close();
      pool.close();
      await life.stop();
      watch.stop();
      await mongo.close();
      await peek.close();
    },
  };
};

let nextNumber = 0;
/** A phone number that nobody else has in this test file. */
export const newPhone = (): string => `+4915112${String(345_000 + nextNumber++)}`;
