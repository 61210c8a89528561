import type { Actor } from './model.js';
import type { AccountFacts, DeviceRegistry, SocketCloser } from './ports.js';

export interface RemoveDeviceDeps {
  readonly devices: DeviceRegistry;
  readonly sockets: SocketCloser;
  readonly facts: AccountFacts;
}

/**
 * Ends a device: it is marked removed, and with that all its tokens are void; its socket is closed. Doing it again
 * closes the socket again. False: there is no such device.
 */
export const removeDevice =
  ({ devices, sockets, facts }: RemoveDeviceDeps) =>
  async ({ userId, deviceId }: Actor): Promise<boolean> => {
    const was = await devices.remove(userId, deviceId);
    if (was === 'unknown') return false;
    if (was === 'removed') facts.deviceRevoked(userId, deviceId);
    await sockets.close(userId, [deviceId]);
    return true;
  };

export type RemoveDevice = ReturnType<typeof removeDevice>;
