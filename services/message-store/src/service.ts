import { newId } from '@godwit/ids/id';
import { ensureIndexes } from '@godwit/mongo/collection';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { MessageStoreServiceService } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { HashRing } from '@godwit/ring/hash-ring';
import { connectNodes } from '@godwit/rpc/node-pool';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { Coalescer } from '@godwit/runtime/coalescer';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { MessageStoreConfig } from './config.js';
import { AppendLanes } from './domain/append-lanes.js';
import { Claimer } from './domain/claim-processes.js';
import { ConversationHeads } from './domain/conversation-heads.js';
import { HeadCache, type Head } from './domain/head-cache.js';
import type { AppendLog } from './domain/message-log.js';
import { ProcessLease } from './domain/process-lease.js';
import { CursorRaiser } from './domain/raise-cursors.js';
import { Reaper, type Membership, type UserDevices } from './domain/reaper.js';
import { Unconfirmed } from './domain/unconfirmed.js';
import { AppendStreams } from './grpc/append-streams.js';
import { cursorHandlers } from './grpc/cursor-handlers.js';
import { readHandlers } from './grpc/read-handlers.js';
import { collections } from './mongo/collections.js';
import { HeadReader } from './mongo/head-reader.js';
import { LogClock } from './mongo/log-clock.js';
import { MongoAppendLog } from './mongo/mongo-append-log.js';
import { MongoConversations } from './mongo/mongo-conversations.js';
import { MongoCursors } from './mongo/mongo-cursors.js';
import { MongoLogReader } from './mongo/mongo-log-reader.js';
import { MongoProcesses } from './mongo/mongo-processes.js';
import { OplogHistory } from './mongo/oplog-history.js';
import { AccountDevices } from './peers/account-devices.js';
import { GroupMembership } from './peers/group-membership.js';
import { Watchers } from './watchers.js';

/** What tests put in the place of the real thing. */
export interface Overrides {
  readonly clock?: Clock;
  readonly membership?: Membership;
  readonly devices?: UserDevices;
  readonly appendLog?: (real: AppendLog) => AppendLog;
  /** Publishes the driver's command events. */
  readonly monitorCommands?: boolean;
}

export interface MessageStore {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly incarnation: string;
  readonly reaper: Reaper;
  readonly mongo: Mongo;
}

const HEAD_RAISE_MS = 300;
const MAX_HEAD_RAISES = 20_000;
const MAX_UNCONFIRMED = 500_000;
const MAX_WAITING_RAISES = 50_000;
const CONFIRM_TICK_MS = 250;

/** The composition root. What is started later may use what is above; it stops in the reverse order. */
export const startMessageStore = async (
  config: MessageStoreConfig,
  life: Lifecycle,
  overrides: Overrides = {},
): Promise<MessageStore> => {
  const { clock = systemClock, monitorCommands = false } = overrides;
  const metrics = createMetrics({ service: 'message-store', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, metrics, life });
  const { mongoUrl, namespace, node } = config;
  const { logger, signal } = life;
  const mongo = await connectMongo({
    url: mongoUrl,
    database: namespace,
    appName: node,
    logger,
    signal,
    monitorCommands,
  });
  life.onStop('close', 'mongo', () => mongo.close());
  health.check('mongo', () => mongo.ping());
  await ensureIndexes(mongo.db, collections);

  const incarnation = newId();
  const now = (): number => clock.monotonic();
  const logClock = new LogClock(mongo.client);
  const headReader = new HeadReader(mongo.db);
  const logReader = new MongoLogReader(mongo.db, headReader);
  const conversations = new MongoConversations(mongo.db, logReader);
  const cursorStore = new MongoCursors(mongo.db, headReader, clock);
  const processes = new MongoProcesses(mongo.db, logClock);
  const realLog = new MongoAppendLog({ db: mongo.db, clock: logClock, heads: headReader, incarnation });
  const watchers = new Watchers(life, metrics);

  const cache = new HeadCache({ maxConversations: config.append.cachedHeads, now });
  const heads = new ConversationHeads(cache, headReader);
  const raises = headRaises(conversations, watchers);
  const unconfirmed = new Unconfirmed({
    now,
    maxConversations: MAX_UNCONFIRMED,
    give: (router, order) => streams.give(router, order),
  });
  const lease: ProcessLease = new ProcessLease({
    incarnation,
    node,
    store: processes,
    seenLogTime: () => logClock.seen,
    lowestOpen: () => lowest(lanes.lowestSince(), unconfirmed.lowestSince()),
    now,
    onClaimed: () => {
      life.fail(new Error('a peer has taken this process for dead and claimed its row'));
    },
    onError: (error) => {
      watchers.failed('beat', error);
    },
  });
  const lanes: AppendLanes = new AppendLanes({
    lanes: config.append.lanes,
    log: overrides.appendLog?.(realLog) ?? realLog,
    lease,
    heads: cache,
    clock,
    unconfirmed,
    raiseHead: (conversationId, head) => raises.set(conversationId, head),
    ...watchers.lanes,
  });
  const ring = new HashRing(config.replicas.map(({ name }) => name));
  const streams: AppendStreams = new AppendStreams({
    unconfirmed,
    append: (pending) => {
      lanes.append(pending);
    },
    ringVersion: ring.version,
    now,
  });
  const peers = connectPeers(config, life, metrics);
  const reaper = new Reaper({
    store: conversations,
    cursors: cursorStore,
    membership: overrides.membership ?? peers.membership,
    devices: overrides.devices ?? peers.devices,
    clock,
    observer: watchers.reaper((conversationId, ranges) => {
      streams.tellExpired(conversationId, ranges);
    }),
    isOwn: (conversationId) => (ring.owner(conversationId) ?? node) === node,
    ...config.reaper,
  });
  const raiser = new CursorRaiser({
    store: cursorStore,
    heads,
    intervalMs: config.cursors.mergeMs,
    maxWaiting: MAX_WAITING_RAISES,
    onRaised: (ids) => {
      reaper.touch(ids);
    },
  });
  const claimer = new Claimer({
    incarnation,
    store: processes,
    history: new OplogHistory(mongo.db),
    unconfirmed,
    seenLogTime: () => logClock.seen,
    now,
    observer: watchers.claimer,
  });

  // The row is there before the first append.
  await lease.register();
  life.onStop('close', 'process row', async () => {
    // With something unconfirmed the row stays: a peer claims it.
    if (unconfirmed.size === 0 && lease.holds()) await processes.remove(incarnation);
  });
  const beating = lease.run(watchers.untilClosing);
  const background = [claimer.run(signal), reaper.run(signal)];
  const ticking = setInterval(() => {
    watchers.ordered(unconfirmed.tick());
    watchers.unconfirmed(unconfirmed.size);
  }, CONFIRM_TICK_MS);
  life.onStop('close', 'loops', async () => {
    clearInterval(ticking);
    watchers.close();
    await Promise.all([beating, ...background]);
  });

  const { port: grpcPort } = await startRpcServer({
    listen: config.grpcListen,
    services: [
      serve(MessageStoreServiceService, {
        append: (stream) => {
          streams.open(stream);
        },
        ...readHandlers({
          log: logReader,
          heads,
          cache,
          setRetention: (conversationId, retention) => conversations.setRetention(conversationId, retention),
          onHole: ({ conversationId }) => {
            watchers.hole(conversationId);
          },
        }),
        ...cursorHandlers({ store: cursorStore, heads, raiser }),
      }),
    ],
    auth: { fleetToken: config.fleetToken },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  life.onStop('stop-accepting', 'lanes', () => {
    lanes.stop();
  });
  life.onStop('drain', 'appends and cursors', async () => {
    await Promise.all([lanes.drained(), raiser.flush()]);
    await raises.stop();
  });
  health.started();
  return { grpcPort, httpPort: health.port, incarnation, reaper, mongo };
};

const headRaises = (
  conversations: MongoConversations,
  watchers: Watchers,
): Coalescer<string, Omit<Head, 'retention'>> =>
  new Coalescer({
    intervalMs: HEAD_RAISE_MS,
    maxKeys: MAX_HEAD_RAISES,
    merge: (older, newer) => (older.seq > newer.seq ? older : newer),
    flush: (entries) => conversations.raiseHeads(entries),
    onError: (error) => {
      watchers.failed('raise heads', error);
    },
  });

const connectPeers = (
  { groups, accounts, node, fleetToken, tls }: MessageStoreConfig,
  life: Lifecycle,
  metrics: Metrics,
): { membership: Membership; devices: UserDevices } => {
  const options = { self: node, fleetToken, tls, logger: life.logger, metrics };
  const group = connectNodes(GroupServiceService, { ...options, nodes: groups });
  const account = connectNodes(AccountServiceService, { ...options, nodes: accounts });
  life.onStop('close', 'peers', () => {
    group.close();
    account.close();
  });
  return { membership: new GroupMembership(group), devices: new AccountDevices(account) };
};

const lowest = (a: bigint | undefined, b: bigint | undefined): bigint | undefined => {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
};
