import type { DeviceRecord } from './recorder.js';

export interface Offer {
  readonly conversationId: string;
  readonly id: string;
  readonly text: string;
  readonly expiresAtMs: number;
}

export interface GroupCalls {
  createGroup(request: { clientRequestId: string; name: string; memberUserIds: string[] }): Promise<string>;
  changeMembers(change: 'added' | 'removed', conversationId: string, userIds: string[]): Promise<void>;
}

/** A device whose client can be made to suffer. Everything it sees goes into its record. */
export interface DeviceClient {
  readonly record: DeviceRecord;
  /** A process of the device begins; without memory it knows nothing of the one before, its outbox included. */
  begin(remembers: boolean): void;
  /** The process ends, as the user of a phone ends it. */
  end(): Promise<void>;
  send(offer: Offer): void;
  /** The same once more, though it was acked: as after a crash between the ack and its being written down. */
  repeat(conversationId: string): void;
  /** Deletes its newest message there. */
  remove(conversationId: string): void;
  read(conversationId: string): void;
  cut(midFrame: boolean): void;
  /** Reads nothing from its socket for so long. */
  slow(forMs: number): void;
  /** Goes to another edge. */
  elsewhere(): void;
}
