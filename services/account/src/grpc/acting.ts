import { isId } from '@godwit/ids/id';
import { DEVICE_KEY } from '@godwit/rpc/authenticate';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument, unauthenticated } from '@godwit/rpc/rpc-error';
import type { Actor } from '../domain/model.js';
import type { DeviceRegistry } from '../domain/ports.js';

/**
 * The device a call acts for. It must still stand: an access token outlives the removal of its device by up to a
 * quarter of an hour.
 */
export const createActing =
  (devices: DeviceRegistry) =>
  async (context: CallContext): Promise<Actor> => {
    const userId = context.requireUser(isId);
    const deviceId = context.metadata(DEVICE_KEY);
    if (deviceId === undefined || !isId(deviceId)) {
      throw invalidArgument(
        DEVICE_KEY,
        `name the acting device in the metadata ${DEVICE_KEY}`,
        'ACTING_DEVICE_REQUIRED',
      );
    }
    if (!(await devices.stands(userId, deviceId))) {
      throw unauthenticated('DEVICE_REMOVED', 'this device was removed: sign in again');
    }
    return { userId, deviceId };
  };

export type Acting = ReturnType<typeof createActing>;
