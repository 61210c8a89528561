import type {
  PresenceSubscribe,
  PresenceUnsubscribe,
  Typing,
} from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import type { SubscribeOutcome } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { Clock } from '@godwit/runtime/clock';
import type { Connection } from '../domain/connection.js';
import { unavailable } from '../domain/refusal.js';
import type { PresenceLink, Topics } from '../links/presence-link.js';
import { checkConversation, checkTopics } from './checks.js';
import { done, refuse } from './replies.js';

interface Asked {
  readonly connection: Connection;
  readonly requestId: number;
  readonly topics: Topics;
  /** Monotonic ms. */
  readonly at: number;
}

export interface PresenceFrameOptions {
  readonly presence: PresenceLink;
  readonly clock: Clock;
  readonly maxSubscriptions: number;
}

/** No answer for this long: presence is as good as away. */
const ANSWER_MS = 5_000;

/** `typing`, `presence_subscribe`, `presence_unsubscribe`. */
export class PresenceFrames {
  readonly #options: PresenceFrameOptions;
  // Oldest first.
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;

  constructor(options: PresenceFrameOptions) {
    this.#options = options;
  }

  typing(connection: Connection, requestId: number, { conversationId, stopped }: Typing): void {
    const refusal = checkConversation(conversationId);
    if (refusal !== undefined) refuse(connection, requestId, refusal);
    else this.#options.presence.typing({ userId: connection.userId, conversationId, stopped });
  }

  subscribe(connection: Connection, requestId: number, { userIds, conversationIds }: PresenceSubscribe): void {
    const topics = { userIds, conversationIds };
    const refusal = checkTopics(topics);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    const { presence, maxSubscriptions, clock } = this.#options;
    if (presence.countWith(connection, topics) > maxSubscriptions) {
      const message = `a socket may have ${String(maxSubscriptions)} subscriptions`;
      refuse(connection, requestId, { reason: 'TOO_MANY_SUBSCRIPTIONS', message });
      return;
    }
    this.#lastId += 1;
    this.#asked.set(this.#lastId, { connection, requestId, topics, at: clock.monotonic() });
    if (presence.subscribe(connection, topics, this.#lastId)) return;
    this.#asked.delete(this.#lastId);
    refuse(connection, requestId, unavailable('presence is away'));
  }

  unsubscribe(connection: Connection, requestId: number, { userIds, conversationIds }: PresenceUnsubscribe): void {
    const topics = { userIds, conversationIds };
    const refusal = checkTopics(topics);
    if (refusal !== undefined) {
      refuse(connection, requestId, refusal);
      return;
    }
    this.#options.presence.unsubscribe(connection, topics);
    done(connection, requestId);
  }

  onOutcome({ requestId, refusedReason, refusedField }: SubscribeOutcome): void {
    const asked = this.#asked.get(requestId);
    if (asked === undefined) return;
    this.#asked.delete(requestId);
    if (refusedReason === '') {
      done(asked.connection, asked.requestId);
      return;
    }
    this.#options.presence.unsubscribe(asked.connection, asked.topics);
    const refusal = { reason: refusedReason, message: 'the subscription was refused', field: refusedField };
    refuse(asked.connection, asked.requestId, refusal);
  }

  onDown(): void {
    for (const id of [...this.#asked.keys()]) this.#unanswered(id);
  }

  /** Call it a few times a second. */
  tick(): void {
    const askedBefore = this.#options.clock.monotonic() - ANSWER_MS;
    for (const [id, { at }] of this.#asked) {
      if (at > askedBefore) return;
      this.#unanswered(id);
    }
  }

  #unanswered(id: number): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    // The topics stay asked for: the replica that takes over is told of them.
    if (asked !== undefined) refuse(asked.connection, asked.requestId, unavailable('presence is away'));
  }
}
