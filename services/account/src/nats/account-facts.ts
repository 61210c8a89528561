import type { Bus } from '@godwit/bus/bus';
import { BusUnavailable } from '@godwit/bus/bus-unavailable';
import { accountDevice, accountProfile, accountRelations, type StoredSubject } from '@godwit/bus/subjects';
import { AccountChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Logger } from '@godwit/runtime/logger';
import type { AccountFacts } from '../domain/ports.js';

/** Tells facts over NATS, without waiting. One that is lost costs those who cache the time their caches live. */
export const createAccountFacts = (bus: Pick<Bus, 'store'>, logger: Logger): AccountFacts => {
  const tell = (subject: StoredSubject, fact: AccountChanged): void => {
    bus.store(subject, AccountChanged.encode(fact).finish()).catch((error: unknown) => {
      if (!(error instanceof BusUnavailable)) throw error;
      logger.debug({ err: error }, 'a fact was not told');
    });
  };
  return {
    profileChanged: (userId) => {
      tell(accountProfile(userId), { userId, change: { $case: 'profile', value: {} } });
    },
    relationsChanged: (userId, otherUserId = '') => {
      tell(accountRelations(userId), { userId, change: { $case: 'relations', value: { otherUserId } } });
    },
    deviceRevoked: (userId, deviceId) => {
      tell(accountDevice(userId), { userId, change: { $case: 'deviceRevoked', value: { deviceId } } });
    },
  };
};
