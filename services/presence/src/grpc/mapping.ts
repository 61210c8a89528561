import type { Presence } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { Update as UpdateMessage } from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import type { Update } from '../domain/ports.js';
import type { UserPresence } from '../domain/presence.js';

export const toPresence = (userId: string, { online, lastSeenMs }: UserPresence): Presence => ({
  userId,
  online,
  lastSeenMs,
});

export const toUpdate = (update: Update): UpdateMessage => {
  const { handles } = update;
  switch (update.kind) {
    case 'presence':
      return { handles, update: { $case: 'presence', value: toPresence(update.userId, update.presence) } };
    case 'typing': {
      const { conversationId, userId, stopped } = update.typing;
      return { handles, update: { $case: 'typing', value: { conversationId, userId, stopped } } };
    }
  }
};
