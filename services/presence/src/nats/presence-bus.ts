import type { Bus } from '@godwit/bus/bus';
import { BusUnavailable } from '@godwit/bus/bus-unavailable';
import { presenceOfUser, typingIn, type CoreSubject } from '@godwit/bus/subjects';
import { PresenceChanged, TypingChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Broadcast, Typing } from '../domain/ports.js';
import type { UserPresence } from '../domain/presence.js';

export interface PresenceBusOptions {
  readonly bus: Bus;
  /** This replica: it has heard its own news before. */
  readonly origin: string;
  readonly onPresence: (userId: string, presence: UserPresence) => void;
  readonly onTyping: (typing: Typing) => void;
  readonly onLost: (error: unknown) => void;
}

/** What replicas tell each other, over core NATS: lost when it is away, and then each has its own edges' news only. */
export const createPresenceBus = ({ bus, origin, onPresence, onTyping, onLost }: PresenceBusOptions): Broadcast => {
  const publish = (subject: CoreSubject, payload: Uint8Array): void => {
    try {
      bus.publish(subject, payload);
    } catch (error) {
      if (!(error instanceof BusUnavailable)) throw error;
      onLost(error);
    }
  };
  return {
    presence: (userId, { online, lastSeenMs }) => {
      publish(presenceOfUser(userId), PresenceChanged.encode({ origin, userId, online, lastSeenMs }).finish());
    },
    typing: (typing) => {
      publish(typingIn(typing.conversationId), TypingChanged.encode({ origin, ...typing }).finish());
    },
    followUser: (userId) =>
      bus.subscribe(presenceOfUser(userId), (payload) => {
        const event = PresenceChanged.decode(payload);
        if (event.origin !== origin && event.userId === userId) onPresence(userId, event);
      }),
    followTyping: (conversationId) =>
      bus.subscribe(typingIn(conversationId), (payload) => {
        const event = TypingChanged.decode(payload);
        if (event.origin !== origin && event.conversationId === conversationId) onTyping(event);
      }),
  };
};
