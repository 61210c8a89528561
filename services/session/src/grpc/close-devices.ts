import { isDeviceId, isId } from '@godwit/ids/id';
import type { CloseDevicesRequest, CloseDevicesResponse } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { SessionDirectory } from '../domain/session-directory.js';

const MAX_DEVICES = 1_000;

/** `CloseDevices`: the sockets of revoked devices are closed by the edges that have them. */
export const createCloseDevices =
  (directory: SessionDirectory) =>
  async ({ userId, deviceIds }: CloseDevicesRequest): Promise<CloseDevicesResponse> => {
    if (!isId(userId)) throw invalidArgument('user_id', 'is not a user id');
    if (deviceIds.length > MAX_DEVICES)
      throw invalidArgument('device_ids', `at most ${String(MAX_DEVICES)}`, 'TOO_MANY');
    const bad = deviceIds.findIndex((deviceId) => !isDeviceId(deviceId));
    if (bad >= 0) throw invalidArgument(`device_ids[${String(bad)}]`, 'is not a device id');
    return { closed: await directory.closeDevices(userId, new Set(deviceIds)) };
  };
