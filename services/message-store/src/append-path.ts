import type { Clock } from '@godwit/runtime/clock';
import { Coalescer } from '@godwit/runtime/coalescer';
import { AppendLanes } from './domain/append-lanes.js';
import { HeadCache, type Head } from './domain/head-cache.js';
import type { AppendLog } from './domain/message-log.js';
import { ProcessLease } from './domain/process-lease.js';
import { Unconfirmed } from './domain/unconfirmed.js';
import { AppendStreams } from './grpc/append-streams.js';
import type { MongoConversations } from './mongo/mongo-conversations.js';
import type { Stores } from './mongo/open-stores.js';
import type { Watchers } from './watchers.js';

/** From a router's frame to the log and back, and what is kept until it is fanned out. */
export interface AppendPath {
  readonly cache: HeadCache;
  readonly lease: ProcessLease;
  readonly lanes: AppendLanes;
  readonly unconfirmed: Unconfirmed;
  readonly streams: AppendStreams;
  readonly headRaises: Coalescer<string, Omit<Head, 'retention'>>;
}

export interface AppendPathOptions {
  readonly stores: Stores;
  readonly log: AppendLog;
  readonly node: string;
  readonly incarnation: string;
  readonly ringVersion: string;
  readonly lanes: number;
  readonly cachedHeads: number;
  readonly clock: Clock;
  readonly watchers: Watchers;
  /** A peer took this process for dead. */
  readonly onClaimed: () => void;
}

// Readers may count on a second (docs/architecture.md).
const HEAD_RAISE_MS = 800;
const MAX_HEAD_RAISES = 20_000;
const MAX_UNCONFIRMED = 500_000;

export const wireAppendPath = (options: AppendPathOptions): AppendPath => {
  const { stores, log, clock, watchers } = options;
  const now = (): number => clock.monotonic();
  const cache = new HeadCache({ maxConversations: options.cachedHeads, now });
  const headRaises = raiseHeadsOf(stores.conversations, watchers);
  const unconfirmed = new Unconfirmed({
    now,
    maxConversations: MAX_UNCONFIRMED,
    give: (router, order) => {
      const given = streams.give(router, order);
      if (given) watchers.ordered();
      return given;
    },
  });
  const lease: ProcessLease = new ProcessLease({
    incarnation: options.incarnation,
    node: options.node,
    store: stores.processes,
    seenLogTime: () => stores.logClock.seen,
    lowestOpen: () => lowest(lanes.lowestSince(), unconfirmed.lowestSince()),
    now,
    onClaimed: options.onClaimed,
    onError: (error) => {
      watchers.failed('beat', error);
    },
  });
  const lanes: AppendLanes = new AppendLanes({
    lanes: options.lanes,
    log,
    lease,
    heads: cache,
    startsAbove: stores.startsAbove,
    clock,
    unconfirmed,
    raiseHead: (conversationId, head) => headRaises.set(conversationId, head),
    ...watchers.lanes,
  });
  const streams: AppendStreams = new AppendStreams({
    unconfirmed,
    append: (pending) => {
      lanes.append(pending);
    },
    ringVersion: options.ringVersion,
    now,
  });
  return { cache, lease, lanes, unconfirmed, streams, headRaises };
};

const raiseHeadsOf = (
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

const lowest = (a: bigint | undefined, b: bigint | undefined): bigint | undefined => {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
};
