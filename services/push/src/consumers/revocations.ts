import type { Bus } from '@godwit/bus/bus';
import { accountDevices } from '@godwit/bus/subjects';
import { isId } from '@godwit/ids/id';
import { AccountChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Logger } from '@godwit/runtime/logger';
import type { PushTokens } from '../domain/ports.js';

/** Forgets the tokens of a device that was removed. What is missed here goes with the next wake of its user. */
export const followRevocations = (bus: Pick<Bus, 'follow'>, tokens: PushTokens, logger: Logger): void => {
  bus.follow(accountDevices, {
    onFact: (payload) => {
      const { userId, change } = AccountChanged.decode(payload);
      if (change?.$case !== 'deviceRevoked' || !isId(userId) || !isId(change.value.deviceId)) return;
      tokens.removeDevices(userId, [change.value.deviceId]).catch((error: unknown) => {
        logger.warn({ err: error }, 'the tokens of a removed device are still there');
      });
    },
    onGap: () => undefined,
  });
};
