import type {
  EdgeToPresence,
  PresenceServiceService,
  PresenceToEdge,
  SubscribeOutcome,
  TypingItem,
  Update,
} from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import type { Connection } from '../domain/connection.js';
import { Pacer } from '../domain/pacer.js';
import type { EdgeIdentity } from './edge-identity.js';
import { LinkQueue } from './link-queue.js';

export interface Topics {
  readonly userIds: readonly string[];
  readonly conversationIds: readonly string[];
}

export interface PresenceEvents {
  readonly onUpdate: (update: Update) => void;
  readonly onOutcome: (outcome: SubscribeOutcome) => void;
  /** Answers to subscriptions that were asked for will not come. */
  readonly onDown: () => void;
}

export interface PresenceLinkOptions {
  readonly pool: NodePool<typeof PresenceServiceService>;
  readonly connections: () => Iterable<Connection>;
  readonly events: PresenceEvents;
  /** How many sockets are told of a second to a replica that is new to us. */
  readonly reportsPerSecond: number;
}

interface Subscribed {
  readonly users: Set<string>;
  readonly conversations: Set<string>;
}

const empty = (): EdgeToPresence => ({
  hello: undefined,
  connected: [],
  disconnected: [],
  subscribes: [],
  unsubscribes: [],
  typings: [],
  heartbeat: false,
});

type Part = (frame: EdgeToPresence) => void;

const assemble = (parts: readonly Part[]): EdgeToPresence => {
  const frame = empty();
  for (const part of parts) part(frame);
  return frame;
};

const HEARTBEAT_MS = 4_000;
/** A replica whose stream isn't up by then is left for the next one. */
const CONNECT_MS = 1_500;
const BOUNDS = { maxParts: 1_024, maxBytes: 1024 * 1024, maxQueued: 16_384 };
const PART_BYTES = 128;

/**
 * One stream to one presence replica, whichever is there. A replica that is new to us is told of all sockets and their
 * subscriptions, paced. What can't be told is dropped: presence may be stale, and never holds anything up.
 */
export class PresenceLink {
  readonly #options: PresenceLinkOptions;
  readonly #subscribed = new Map<Connection, Subscribed>();
  readonly #reports: Pacer<Connection>;
  #identity: EdgeIdentity | undefined;
  #link: StreamLink<PresenceToEdge, EdgeToPresence> | undefined;
  #queue: LinkQueue<Part, EdgeToPresence> | undefined;
  #downSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #heartbeatAt = 0;

  constructor(options: PresenceLinkOptions) {
    this.#options = options;
    this.#reports = new Pacer({
      perSecond: options.reportsPerSecond,
      work: (connection) => {
        this.#report(connection);
      },
    });
  }

  start(identity: EdgeIdentity): void {
    this.#identity = identity;
    this.#connect();
    this.#timer = setInterval(() => {
      this.#tick();
    }, 250);
  }

  get isUp(): boolean {
    return this.#link?.up === true;
  }

  connected(connection: Connection): void {
    if (connection.isPresent) return;
    connection.isPresent = true;
    this.#report(connection);
  }

  disconnected(connection: Connection): void {
    this.#reports.delete(connection);
    this.#subscribed.delete(connection);
    if (!connection.isPresent) return;
    const { handle } = connection;
    this.#offer((frame) => frame.disconnected.push({ handle }));
  }

  /** False: presence is away. An answer comes to `onOutcome`, for a request id that is not 0. */
  subscribe(connection: Connection, topics: Topics, requestId: number): boolean {
    this.connected(connection);
    if (!this.#offerSubscribe(connection, topics, requestId)) return false;
    const subscribed = this.#subscribed.get(connection) ?? { users: new Set(), conversations: new Set() };
    for (const userId of topics.userIds) subscribed.users.add(userId);
    for (const conversationId of topics.conversationIds) subscribed.conversations.add(conversationId);
    this.#subscribed.set(connection, subscribed);
    return true;
  }

  unsubscribe(connection: Connection, topics: Topics): void {
    const subscribed = this.#subscribed.get(connection);
    if (subscribed === undefined) return;
    for (const userId of topics.userIds) subscribed.users.delete(userId);
    for (const conversationId of topics.conversationIds) subscribed.conversations.delete(conversationId);
    if (subscribed.users.size + subscribed.conversations.size === 0) this.#subscribed.delete(connection);
    const { handle } = connection;
    const item = { handle, userIds: [...topics.userIds], conversationIds: [...topics.conversationIds] };
    this.#offer((frame) => frame.unsubscribes.push(item));
  }

  /** How many topics the socket would have with these. */
  countWith(connection: Connection, topics: Topics): number {
    const { users, conversations } = this.#subscribed.get(connection) ?? { users: new Set(), conversations: new Set() };
    const added = new Set([
      ...topics.userIds.filter((userId) => !users.has(userId)),
      ...topics.conversationIds.filter((conversationId) => !conversations.has(conversationId)),
    ]);
    return users.size + conversations.size + added.size;
  }

  typing(item: TypingItem): void {
    this.#offer((frame) => frame.typings.push(item));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#reports.stop();
    this.#link?.close();
  }

  #offer(part: Part): boolean {
    return this.#queue?.offer(part) === true;
  }

  #offerSubscribe({ handle, userId }: Connection, topics: Topics, requestId: number): boolean {
    const userIds = [...topics.userIds];
    const conversationIds = [...topics.conversationIds];
    return this.#offer((frame) => frame.subscribes.push({ requestId, handle, userId, userIds, conversationIds }));
  }

  #report(connection: Connection): void {
    if (!connection.isOpen) return;
    const { handle, userId, deviceId } = connection;
    this.#offer((frame) => frame.connected.push({ handle, userId, deviceId }));
    const subscribed = this.#subscribed.get(connection);
    if (subscribed === undefined) return;
    const topics = { userIds: [...subscribed.users], conversationIds: [...subscribed.conversations] };
    this.#offerSubscribe(connection, topics, 0);
  }

  #connect(): void {
    const node = this.#options.pool.nodes.rotation()[0];
    if (node === undefined) return;
    this.#downSince = performance.now();
    this.#link = this.#options.pool.link(node, 'link', {
      onUp: (link) => {
        const { edgeId = '', incarnation = '' } = this.#identity ?? {};
        link.send({ ...empty(), hello: { edgeId, incarnation } });
        for (const connection of this.#options.connections()) {
          if (connection.isPresent) this.#reports.add(connection);
        }
      },
      onFrame: ({ updates, subscribeOutcomes }) => {
        for (const update of updates) this.#options.events.onUpdate(update);
        for (const outcome of subscribeOutcomes) this.#options.events.onOutcome(outcome);
      },
      onDown: () => {
        this.#queue?.clear();
        this.#downSince = performance.now();
        this.#options.events.onDown();
      },
    });
    this.#queue = new LinkQueue(this.#link, { assemble, bytesOf: () => PART_BYTES, ...BOUNDS });
  }

  #tick(): void {
    const now = performance.now();
    if (this.isUp) {
      if (now - this.#heartbeatAt < HEARTBEAT_MS) return;
      this.#heartbeatAt = now;
      this.#offer((frame) => {
        frame.heartbeat = true;
      });
      return;
    }
    if (now - this.#downSince < CONNECT_MS) return;
    this.#link?.close();
    this.#connect();
  }
}
