import { connectBus, type Bus } from '@godwit/bus/bus';
import { PUSH } from '@godwit/bus/streams';
import { pushWake } from '@godwit/bus/subjects';
import { connectMongo } from '@godwit/mongo/connect';
import { PushWake } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import { PushServiceService } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { createLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { watchMongoCommands, type MongoCommandWatch } from '@godwit/testkit/mongo-command-watcher';
import { testServers } from '@godwit/testkit/test-servers';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { loadPushConfig } from '../src/config.js';
import { startPush, type PushOverrides } from '../src/service.js';
import { FLEET_TOKEN, Peers, startPeers } from './peers.js';

type Service = typeof PushServiceService;
type RequestOf<N extends keyof Service> = ReturnType<Service[N]['requestDeserialize']>;
type ResponseOf<N extends keyof Service> = ReturnType<Service[N]['responseDeserialize']>;

export interface RunningPush extends AsyncDisposable {
  readonly peers: Peers;
  readonly bus: Bus;
  readonly watch: MongoCommandWatch;
  readonly httpPort: number;
  /** Lines of the service's log that say `push`. */
  readonly pushLines: () => Record<string, unknown>[];
  call<N extends keyof Service>(
    metadata: Record<string, string>,
    method: N,
    request: RequestOf<N>,
  ): Promise<ResponseOf<N>>;
  wake(wake: Partial<PushWake> & { userId: string; conversationId: string; seq: number }): Promise<void>;
}

export const asDevice = (userId: string, deviceId: string): Record<string, string> => ({
  authorization: `Bearer ${FLEET_TOKEN}`,
  'godwit-user': userId,
  'godwit-device': deviceId,
});

export interface StartOptions extends PushOverrides {
  readonly namespace: string;
  readonly natsUrl?: string;
}

export const startTestPush = async ({ namespace, natsUrl, ...overrides }: StartOptions): Promise<RunningPush> => {
  const servers = testServers();
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  const logger = createLogger({ service: 'push', node: 'push-0', level: 'info', destination });
  const life = new Lifecycle({ logger });
  const peers = new Peers();
  const peerEnv = await startPeers(peers, life);
  const config = loadPushConfig({
    ...peerEnv,
    GODWIT_NAMESPACE: namespace,
    GODWIT_MONGO_URL: servers.mongoUrl,
    GODWIT_NATS_URL: natsUrl ?? servers.natsUrl,
    GODWIT_GRPC_LISTEN: '127.0.0.1:0',
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    GODWIT_PUSH_WINDOW: '300ms',
  });
  const mongo = await connectMongo({
    url: servers.mongoUrl,
    database: namespace,
    appName: 'push-test',
    logger,
    monitorCommands: true,
  });
  const watch = watchMongoCommands(mongo.client, { shardKeys: { push_outcomes: ['userId'] } });
  const { grpcPort, httpPort } = await startPush(config, life, { mongo, ...overrides });
  const metrics = createMetrics({ service: 'test', node: 'test-0', processMetrics: false });
  const bus = connectBus({ url: config.natsUrl, namespace, name: 'router-0', logger, metrics, streams: [PUSH] });
  const client = new Client(`127.0.0.1:${String(grpcPort)}`, credentials.createInsecure());
  return {
    peers,
    bus,
    watch,
    httpPort,
    pushLines: () =>
      lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line['msg'] === 'push'),
    call: (fields, method, request) =>
      new Promise((resolve, reject) => {
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
        const { path, requestSerialize, responseDeserialize } = PushServiceService[method];
        client.makeUnaryRequest<unknown, ResponseOf<typeof method>>(
          path,
          requestSerialize as (value: unknown) => Buffer,
          responseDeserialize as (bytes: Buffer) => ResponseOf<typeof method>,
          request,
          metadata,
          { deadline: Date.now() + 10_000 },
          (error, response) => {
            if (error !== null) reject(error);
            else if (response === undefined) reject(new Error('an answer without a message'));
            else resolve(response);
          },
        );
      }),
    wake: (wake) => {
      const payload = PushWake.encode({ senderUserId: '', kind: 1, serverTimeMs: Date.now(), ...wake }).finish();
      return bus.store(pushWake(wake.userId), payload);
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await bus.close();
      await life.stop();
      watch.stop();
      await mongo.close();
    },
  };
};
