import type { Outcome, ProviderName, Push, PushToken, SendResult } from './model.js';

export interface PushTokens {
  /** The newest token of a device and provider wins. */
  put(token: PushToken): Promise<void>;
  remove(userId: string, deviceId: string, provider: ProviderName): Promise<void>;
  /** Forgets a token unless the device has registered another one meanwhile. */
  prune(token: PushToken): Promise<void>;
  removeDevices(userId: string, deviceIds: readonly string[]): Promise<void>;
  list(userId: string): Promise<readonly PushToken[]>;
}

export interface OutcomeLog {
  /** Without waiting; what can't be kept is dropped. */
  add(outcomes: readonly Outcome[]): void;
  /** The newest first. */
  list(userId: string, count: number): Promise<readonly Outcome[]>;
}

/** Sends pushes to the devices of one platform. */
export interface PushProvider {
  /** Rejects only by mistake; that counts as `try_later`. */
  send(push: Push): Promise<SendResult>;
}

export type Providers = ReadonlyMap<ProviderName, PushProvider>;

export interface DeviceDirectory {
  /** Devices of the user that stand; undefined: there is no such user. */
  devicesOf(userId: string): Promise<readonly string[] | undefined>;
}

export interface PresenceOfDevices {
  /** Devices of the user that are connected now. */
  onlineDevicesOf(userId: string): Promise<ReadonlySet<string>>;
}

export interface Mutes {
  /** Until when the user has muted the conversation; 0: not. Best effort. */
  mutedUntil(userId: string, conversationId: string): Promise<number>;
}
