import { isDeviceId, isId } from '@godwit/ids/id';
import { isConversationId } from '@godwit/ids/conversation';
import type {
  EdgeToPresence,
  PresenceToEdge,
  Subscribe,
  SubscribeOutcome,
  TypingItem,
} from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import { resourceExhausted } from '@godwit/rpc/rpc-error';
import type { ServerStream } from '@godwit/rpc/server-stream';
import type { Logger } from '@godwit/runtime/logger';
import { EdgeOutbox } from '../domain/edge-outbox.js';
import { EdgeSockets } from '../domain/edge-sockets.js';
import type { OnlineTracker } from '../domain/online-tracker.js';
import type { Typing } from '../domain/ports.js';
import type { EdgeRun } from '../domain/presence.js';
import type { PresenceHub, Refusal } from '../domain/presence-hub.js';
import type { Subscriber } from '../domain/subscriptions.js';
import type { Clock } from '@godwit/runtime/clock';
import { toUpdate } from './mapping.js';

export type PresenceStream = ServerStream<EdgeToPresence, PresenceToEdge>;

/** Frames the stream may hold back before updates are merged here instead. */
const MAX_QUEUED_FRAMES = 8;

export interface EdgeLinkDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracker: OnlineTracker;
  readonly hub: PresenceHub;
  /** A user types: checked, limited, told here and elsewhere. */
  readonly typing: (typing: Typing) => void;
  readonly updatesPerSecond: number;
}

/** One edge's stream: its sockets, what they want to hear of, and what they are told. */
export class EdgeLink {
  readonly edge: EdgeRun;
  readonly sockets: EdgeSockets;
  readonly outbox: EdgeOutbox;
  readonly stream: PresenceStream;
  /** Monotonic ms, as is the next. */
  readonly openedAt: number;
  lastFrameAt: number;
  readonly #dependencies: EdgeLinkDependencies;
  readonly #subscribers = new Map<number, Subscriber>();
  #outcomes: SubscribeOutcome[] = [];

  constructor(dependencies: EdgeLinkDependencies, stream: PresenceStream, edge: EdgeRun) {
    this.#dependencies = dependencies;
    this.edge = edge;
    this.stream = stream;
    this.sockets = new EdgeSockets(edge);
    this.openedAt = dependencies.clock.monotonic();
    this.lastFrameAt = this.openedAt;
    this.outbox = new EdgeOutbox({
      clock: dependencies.clock,
      perSecond: dependencies.updatesPerSecond,
      view: (userId, subscriber) => dependencies.hub.view(userId, subscriber),
      send: (updates) => {
        stream.send({ updates: updates.map(toUpdate), subscribeOutcomes: [] });
      },
      lags: () => stream.queued > MAX_QUEUED_FRAMES,
    });
  }

  handle(frame: EdgeToPresence): void {
    const { hub, tracker, typing } = this.#dependencies;
    for (const { handle, userId, deviceId } of frame.connected) {
      if (isId(userId) && isDeviceId(deviceId)) this.#connected(handle, userId);
    }
    for (const subscribe of frame.subscribes) this.#subscribe(subscribe);
    for (const { handle, ...topics } of frame.unsubscribes) {
      const subscriber = this.#subscribers.get(handle);
      if (subscriber !== undefined) hub.unsubscribe(subscriber, topics);
    }
    for (const item of frame.typings) if (isTyping(item)) typing(item);
    // Last: a socket may come, ask and go within one frame.
    for (const { handle } of frame.disconnected) {
      this.#dropSubscriber(handle);
      tracker.disconnected(this.sockets, handle);
    }
  }

  /** The stream has ended. */
  close(): void {
    for (const handle of [...this.#subscribers.keys()]) this.#dropSubscriber(handle);
    this.#dependencies.tracker.unlink(this.sockets);
  }

  #connected(handle: number, userId: string): void {
    if (this.sockets.userOf(handle) === userId) return;
    this.#dropSubscriber(handle);
    this.#dependencies.tracker.connected(this.sockets, handle, userId);
  }

  #subscribe({ requestId, handle, userId, ...topics }: Subscribe): void {
    if (this.sockets.userOf(handle) !== userId) {
      this.#answer(requestId, { reason: 'NOT_CONNECTED', field: 'handle' });
      return;
    }
    this.#dependencies.hub.subscribe(this.#subscriberOf(handle, userId), topics).then(
      (refusal) => {
        this.#answer(requestId, refusal);
      },
      (error: unknown) => {
        this.#dependencies.logger.error({ err: error }, 'a subscription failed');
        this.#answer(requestId, { reason: 'UNAVAILABLE', field: '' });
      },
    );
  }

  #subscriberOf(handle: number, viewer: string): Subscriber {
    const known = this.#subscribers.get(handle);
    if (known !== undefined) return known;
    const subscriber: Subscriber = {
      outbox: this.outbox,
      handle,
      viewer,
      topics: new Set(),
      dropped: false,
      tail: Promise.resolve(),
    };
    this.#subscribers.set(handle, subscriber);
    return subscriber;
  }

  #dropSubscriber(handle: number): void {
    const subscriber = this.#subscribers.get(handle);
    if (subscriber === undefined) return;
    this.#subscribers.delete(handle);
    this.#dependencies.hub.drop(subscriber);
  }

  #answer(requestId: number, refusal: Refusal | undefined): void {
    if (requestId === 0) return;
    const refusedReason = refusal?.reason ?? '';
    this.#outcomes.push({ requestId, refusedReason, refusedField: refusal?.field ?? '' });
    if (this.#outcomes.length > 1) return;
    // One frame for all of a turn: frames that wait are counted, and a frame for each outcome would fill the stream.
    setImmediate(() => {
      const subscribeOutcomes = this.#outcomes;
      this.#outcomes = [];
      if (this.stream.send({ updates: [], subscribeOutcomes }) || this.stream.ended) return;
      // Whoever asked would wait for ever. On a new stream the edge asks again.
      this.stream.close(resourceExhausted('LINK_OVERFLOW', 'this stream is not read'));
    });
  }
}

const isTyping = ({ userId, conversationId }: TypingItem): boolean => isId(userId) && isConversationId(conversationId);
