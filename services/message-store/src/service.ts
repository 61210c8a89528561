import { newId } from '@godwit/ids/id';
import type { Mongo } from '@godwit/mongo/connect';
import { MessageStoreServiceService } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { HashRing } from '@godwit/ring/hash-ring';
import { CallGate } from '@godwit/rpc/call-gate';
import { serve, startRpcServer, type ServedService } from '@godwit/rpc/server';
import { sleep } from '@godwit/runtime/backoff';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import { wireAppendPath, type AppendPath } from './append-path.js';
import type { MessageStoreConfig } from './config.js';
import { Claimer } from './domain/claim-processes.js';
import { ConversationHeads } from './domain/conversation-heads.js';
import type { AppendLog, LogReader } from './domain/message-log.js';
import { CursorRaiser } from './domain/raise-cursors.js';
import { Reaper, type Membership, type UserDevices } from './domain/reaper.js';
import { cursorHandlers } from './grpc/cursor-handlers.js';
import { readHandlers, retentionHandlers } from './grpc/read-handlers.js';
import { openStores, type Stores } from './mongo/open-stores.js';
import { connectPeers } from './peers/connect-peers.js';
import { Watchers } from './watchers.js';

/** What tests put in the place of the real thing. */
export interface Overrides {
  readonly clock?: Clock;
  readonly membership?: Membership;
  readonly devices?: UserDevices;
  readonly appendLog?: (real: AppendLog) => AppendLog;
  readonly reader?: (real: LogReader) => LogReader;
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

const MAX_WAITING_RAISES = 50_000;
const CONFIRM_TICK_MS = 250;
const CONFIRM_GRACE_MS = 1_000;

/** The composition root. What is started later may use what is above it; it stops in the reverse order. */
export const startMessageStore = async (
  config: MessageStoreConfig,
  life: Lifecycle,
  overrides: Overrides = {},
): Promise<MessageStore> => {
  const { clock = systemClock, monitorCommands = false } = overrides;
  const { node, fleetToken, tls } = config;
  const { logger, signal } = life;
  const incarnation = newId();
  const ring = new HashRing(config.replicas.map(({ name }) => name));
  const metrics = createMetrics({ service: 'message-store', node });
  const isOwn = (conversationId: string): boolean => (ring.owner(conversationId) ?? node) === node;
  const watchers = new Watchers(life, metrics);
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const stores = await openStores({
    mongo: {
      url: config.mongoUrl,
      database: config.namespace,
      appName: node,
      logger,
      metrics,
      signal,
      monitorCommands,
    },
    incarnation,
    clock,
  });
  life.onStop('close', 'mongo', () => stores.mongo.close());
  health.check('mongo', () => stores.mongo.ping());
  const path = wireAppendPath({
    stores,
    log: watchers.log(overrides.appendLog?.(stores.appendLog) ?? stores.appendLog),
    node,
    incarnation,
    ringVersion: ring.version,
    ...config.append,
    clock,
    watchers,
    onClaimed: () => {
      life.fail(new Error('a peer has taken this process for dead and claimed its row'));
    },
  });
  health.check('process row', () => path.lease.holds() || 'the row of this process could not be renewed');
  const reader = overrides.reader?.(stores.reader) ?? stores.reader;
  const wired: Wired = { config, life, metrics, clock, watchers, stores, reader, path, incarnation, isOwn };
  const marks = wireMarks(wired, overrides);
  await startLoops(wired, marks);
  const { port: grpcPort } = await startRpcServer({
    listen: config.grpcListen,
    services: [serveMessageStore(wired, marks)],
    auth: { fleetToken },
    tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  stopInOrder(wired, marks);
  health.started();
  return { grpcPort, httpPort: health.port, incarnation, reaper: marks.reaper, mongo: stores.mongo };
};

interface Wired {
  readonly config: MessageStoreConfig;
  readonly life: Lifecycle;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly watchers: Watchers;
  readonly stores: Stores;
  readonly reader: LogReader;
  readonly path: AppendPath;
  readonly incarnation: string;
  /** Whether this replica is the one to reap the conversation. */
  readonly isOwn: (conversationId: string) => boolean;
}

interface Marks {
  readonly heads: ConversationHeads;
  readonly raiser: CursorRaiser;
  readonly reaper: Reaper;
}

/** Who has what, and what ends because all have it. */
const wireMarks = (
  { config, life, metrics, clock, watchers, stores, path, isOwn }: Wired,
  overrides: Overrides,
): Marks => {
  const { node: self, fleetToken, tls, groups, accounts } = config;
  const peers = connectPeers({ groups, accounts, self, fleetToken, tls, logger: life.logger, metrics });
  life.onStop('close', 'peers', () => {
    peers.close();
  });
  const reaper = new Reaper({
    store: stores.conversations,
    cursors: stores.cursors,
    membership: overrides.membership ?? peers.membership,
    devices: overrides.devices ?? peers.devices,
    clock,
    observer: watchers.reaper((conversationId, ranges) => {
      path.streams.tellExpired(conversationId, ranges);
    }),
    isOwn,
    ...config.reaper,
  });
  const heads = new ConversationHeads(path.cache, stores.heads);
  const raiser = new CursorRaiser({
    store: stores.cursors,
    heads,
    intervalMs: config.cursors.mergeMs,
    maxWaiting: MAX_WAITING_RAISES,
    onRaised: (conversationIds) => {
      reaper.touch(conversationIds);
    },
  });
  return { heads, raiser, reaper };
};

/** Writes this process's row, which is there before its first append, and starts what goes on by itself. */
const startLoops = async (
  { life, clock, watchers, stores, path, incarnation }: Wired,
  { reaper, raiser }: Marks,
): Promise<void> => {
  const { lease, unconfirmed } = path;
  const claimer = new Claimer({
    incarnation,
    store: stores.processes,
    history: stores.history,
    unconfirmed,
    seenLogTime: () => stores.logClock.seen,
    now: () => clock.monotonic(),
    observer: watchers.claimer,
  });
  watchers.waiting({ unconfirmedMs: () => unconfirmed.oldestMs, cursors: () => raiser.waiting });
  await lease.register();
  const closing = new AbortController();
  life.onStop('close', 'process row', async () => {
    closing.abort();
    await beating;
    // With something unconfirmed the row stays: a peer claims it.
    if (unconfirmed.size === 0 && lease.holds()) await stores.processes.remove(incarnation);
  });
  // Until everything is drained; the rest ends as soon as stopping begins.
  const beating = lease.run(closing.signal);
  const background = [claimer.run(life.signal), reaper.run(life.signal)];
  const ticking = setInterval(() => {
    unconfirmed.tick();
    watchers.unconfirmed(unconfirmed.size);
  }, CONFIRM_TICK_MS);
  life.onStop('drain', 'loops', async () => {
    clearInterval(ticking);
    await Promise.all(background);
  });
};

const serveMessageStore = (
  { config, stores, reader, path, watchers }: Wired,
  { heads, raiser }: Marks,
): ServedService => {
  const reads = readHandlers({
    log: reader,
    heads,
    onHole: ({ conversationId }) => {
      watchers.hole(conversationId);
    },
  });
  const cursors = cursorHandlers({ store: stores.cursors, heads, raiser });
  // Reads wait here and not for a connection, where appends would wait behind them.
  const gate = new CallGate({ maxRunning: config.reads.running, maxWaiting: config.reads.waiting });
  return serve(MessageStoreServiceService, {
    append: (stream) => {
      path.streams.open(stream);
    },
    ...reads,
    getMessages: gate.around(reads.getMessages),
    getHeads: gate.around(reads.getHeads),
    getMessageState: gate.around(reads.getMessageState),
    getMembershipLog: gate.around(reads.getMembershipLog),
    ...retentionHandlers({
      heads,
      cache: path.cache,
      setRetention: (conversationId, retention) => stores.conversations.setRetention(conversationId, retention),
    }),
    ...cursors,
    getCursors: gate.around(cursors.getCursors),
    getCursorsOfDevices: gate.around(cursors.getCursorsOfDevices),
    getMarks: gate.around(cursors.getMarks),
    getMemberCursors: gate.around(cursors.getMemberCursors),
  });
};

/** Nothing new is taken, what was taken is answered, what is merged is written; then the server goes. */
const stopInOrder = ({ life, path }: Wired, { raiser }: Marks): void => {
  life.onStop('stop-accepting', 'lanes', () => {
    path.lanes.stop();
  });
  life.onStop('drain', 'appends and cursors', async () => {
    await Promise.all([path.lanes.drained(), raiser.flush()]);
    await path.headRaises.stop();
    // With all confirmed no peer has to look after this process.
    for (let waited = 0; path.unconfirmed.size > 0 && waited < CONFIRM_GRACE_MS; waited += 50) await sleep(50);
  });
};
