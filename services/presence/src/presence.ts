import type { Bus } from '@godwit/bus/bus';
import type { Clock } from '@godwit/runtime/clock';
import type { Logger } from '@godwit/runtime/logger';
import type { PresenceConfig } from './config.js';
import { DeadEdges } from './domain/dead-edges.js';
import { LastSeen } from './domain/last-seen.js';
import { EdgeLife } from './domain/live-edges.js';
import { MembersCache } from './domain/members-cache.js';
import { OnlineTracker } from './domain/online-tracker.js';
import type { Broadcast, LastSeenStore, OnlineRegistry, ReadMembers, ReadRelations, Typing } from './domain/ports.js';
import type { UserPresence } from './domain/presence.js';
import { PresenceHub } from './domain/presence-hub.js';
import { PresenceReader } from './domain/presence-reader.js';
import { RightsCache } from './domain/rights-cache.js';
import { TypingLimiter } from './domain/typing-limiter.js';
import { EdgeLinks } from './grpc/edge-links.js';
import { createPresenceBus } from './nats/presence-bus.js';
import type { Observer } from './telemetry.js';

export interface PresenceOptions {
  readonly clock: Clock;
  readonly config: PresenceConfig;
  readonly logger: Logger;
  readonly registry: OnlineRegistry;
  readonly lastSeenStore: LastSeenStore;
  readonly bus: Bus;
  readonly readRelations: ReadRelations;
  readonly readMembers: ReadMembers;
  readonly observer: Observer;
}

/** The parts of a replica that know each other. */
export interface Presence {
  readonly links: EdgeLinks;
  readonly tracker: OnlineTracker;
  readonly lastSeen: LastSeen;
  readonly hub: PresenceHub;
  readonly rights: RightsCache;
  readonly members: MembersCache;
  readonly deadEdges: DeadEdges;
  readonly onError: (error: unknown) => void;
  /** Writes what waits. */
  stop(): Promise<void>;
}

interface Online {
  readonly tracker: OnlineTracker;
  readonly lastSeen: LastSeen;
  readonly reader: PresenceReader;
}

/** Wires a replica by hand. Parts that need each other meet in closures, which run only once all of them are there. */
export const createPresence = (options: PresenceOptions): Presence => {
  const { bus, clock, config, observer } = options;
  const online = createOnline(options, (userId, presence) => {
    notify(userId, presence);
    broadcast.presence(userId, presence);
  });
  const broadcast = createPresenceBus({
    bus,
    origin: config.node,
    onPresence: (userId, presence) => {
      notify(userId, presence);
    },
    onTyping: (typing) => {
      hub.onTyping(typing).catch(observer.failed('notify'));
    },
    onLost: observer.failed('broadcast'),
  });
  const rights = new RightsCache({
    clock,
    freshMs: config.cache.relations,
    read: options.readRelations,
    onError: observer.failed('relations'),
  });
  const members = new MembersCache({
    clock,
    freshMs: config.cache.members,
    read: options.readMembers,
    onError: observer.failed('members'),
  });
  const hub = new PresenceHub({
    maxSubscriptions: config.maxSubscriptions,
    reader: online.reader,
    rights,
    members,
    broadcast,
  });
  const notify = (userId: string, presence: UserPresence): void => {
    hub.onPresence(userId, presence).catch(observer.failed('notify'));
  };
  const { tracker, lastSeen } = online;
  return {
    hub,
    rights,
    members,
    tracker,
    lastSeen,
    links: createLinks(options, { tracker, hub, broadcast }),
    deadEdges: new DeadEdges({ clock, registry: options.registry, tracker, onDead: observer.edgeDied }),
    onError: observer.failed('notify'),
    stop: async () => {
      await tracker.stop();
      await lastSeen.stop();
    },
  };
};

const createOnline = (
  { clock, config, registry, lastSeenStore: store, observer }: PresenceOptions,
  announce: (userId: string, presence: UserPresence) => void,
): Online => {
  const life = new EdgeLife(registry, clock);
  const lastSeen = new LastSeen({
    store,
    intervalMs: config.lastSeenEvery,
    onDurable: (users) => {
      tracker.forget(users).catch(observer.failed('registry'));
    },
    onError: observer.failed('last-seen'),
  });
  const tracker = new OnlineTracker({
    clock,
    graceMs: config.grace,
    registry,
    life,
    lastSeen,
    announce,
    onError: observer.failed('registry'),
  });
  const isHere = (userId: string): boolean => tracker.isHere(userId);
  const reader = new PresenceReader({ registry, life, lastSeen, isHere, onError: observer.failed('read') });
  return { tracker, lastSeen, reader };
};

interface Linked {
  readonly tracker: OnlineTracker;
  readonly hub: PresenceHub;
  readonly broadcast: Broadcast;
}

const createLinks = (
  { clock, config, logger, registry, observer }: PresenceOptions,
  { tracker, hub, broadcast }: Linked,
): EdgeLinks => {
  const limiter = new TypingLimiter(clock);
  return new EdgeLinks({
    clock,
    logger,
    tracker,
    hub,
    typing: (typing: Typing) => {
      if (!limiter.allows(typing)) return;
      hub.onTyping(typing).catch(observer.failed('notify'));
      broadcast.typing(typing);
    },
    updatesPerSecond: config.updatesPerSecond,
    leaseMs: config.lease,
    keepAlive: (edge) => {
      registry.keepAlive(edge, clock.now()).catch(observer.failed('registry'));
    },
  });
};
