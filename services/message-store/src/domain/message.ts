// What a message is to the log. Numbers of kinds and reasons are those of godwit.message.v1; test/mapping.test.ts holds
// them together.

export const KIND = {
  text: 1,
  image: 2,
  video: 3,
  audio: 4,
  file: 5,
  location: 6,
  contact: 7,
  reaction: 8,
  edit: 9,
  delete: 10,
  seen: 11,
  membership: 12,
  card: 13,
  encrypted: 14,
} as const;

export const GONE = { expired: 1, delivered: 2, deleted: 3 } as const;
export type GoneReason = (typeof GONE)[keyof typeof GONE];

/** What a router asks to be appended. The bytes belong to the frame they came in and are stored as they are. */
export interface AppendItem {
  readonly requestId: number;
  readonly conversationId: string;
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly clientMessageId: string;
  readonly kind: number;
  /** 0: none. */
  readonly targetSeq: number;
  readonly mediaIds: readonly string[];
  /** 0: the conversation's default. */
  readonly expiresAtMs: number;
  /** The version the sender was checked with, or that a membership change is based on. */
  readonly membershipVersion: number;
  readonly envelope: Uint8Array;
  readonly bodyHash: Uint8Array;
  readonly retry: boolean;
  readonly lookupOnly: boolean;
  readonly senderIsAdmin: boolean;
}

/** A message with its place, about to be inserted. */
export interface NumberedMessage {
  readonly item: AppendItem;
  readonly seq: number;
  readonly serverTimeMs: number;
  /** Of a membership change: its own seq. */
  readonly membershipVersion: number;
  readonly expiresAtMs: number;
}

/** What an ack says, as it is stored. */
export interface StoredAck {
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly membershipVersion: number;
  readonly bodyHash: Uint8Array;
}

export interface MessageId {
  readonly conversationId: string;
  readonly senderUserId: string;
  readonly clientMessageId: string;
}

/** One text for the id of a message; the parts can't contain a space. */
export const idKey = ({ conversationId, senderUserId, clientMessageId }: MessageId): string =>
  `${conversationId} ${senderUserId} ${clientMessageId}`;

export interface MessagePlace {
  readonly conversationId: string;
  readonly seq: number;
}

export const placeKey = ({ conversationId, seq }: MessagePlace): string => `${conversationId} ${seq}`;

/** What rules ask of the message that an edit, delete or reaction is about. */
export interface TargetMessage {
  readonly senderUserId: string;
  readonly kind: number;
  readonly serverTimeMs: number;
  readonly gone: GoneReason | undefined;
}

/** A message as it is read back; without an envelope it is gone. */
export interface LoggedMessage extends MessagePlace {
  readonly serverTimeMs: number;
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly kind: number;
  readonly membershipVersion: number;
  readonly expiresAtMs: number;
  readonly envelope: Uint8Array | undefined;
  readonly gone: GoneReason | undefined;
}

export type TargetRefusal = 'TARGET_NOT_FOUND' | 'NOT_THE_AUTHOR' | 'TARGET_TOO_OLD' | 'TARGET_KIND';

export type AppendOutcome =
  | {
      readonly kind: 'appended';
      readonly seq: number;
      readonly serverTimeMs: number;
      readonly membershipVersion: number;
      readonly duplicate: boolean;
    }
  | { readonly kind: 'id-reused'; readonly seq: number; readonly serverTimeMs: number; readonly bodyHash: Uint8Array }
  | { readonly kind: 'stale-membership'; readonly membershipVersion: number }
  | { readonly kind: 'not-owner' }
  | { readonly kind: 'target-refused'; readonly reason: TargetRefusal }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'unavailable'; readonly retryAfterMs: number };

/** Who asked, and where the answer goes. */
export interface AppendOrigin {
  /** The router's name on the ring. */
  readonly router: string;
  answer(requestId: number, outcome: AppendOutcome): void;
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
};
