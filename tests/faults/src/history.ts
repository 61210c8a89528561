/**
 * What happened, as the outside saw it. Times are ms since the run began, by one monotonic clock: clients, nemesis and
 * checker live in one process. A history says nothing about what should have happened: that is the checker's part.
 */
export interface History {
  readonly devices: readonly DeviceInfo[];
  readonly events: readonly ClientEvent[];
  readonly faults: readonly FaultRecord[];
  readonly log: LogSnapshot;
  /** Times in which others took the machine's CPUs: lateness says nothing about the fleet then. */
  readonly busy: readonly Span[];
  /** Marks as MongoDB held them at majority, sampled; only what differed from the sample before. */
  readonly marks: readonly MarkSample[];
  /** When the workload stopped offering, and when everything was brought together and looked at. */
  readonly quietAt: number;
  readonly endAt: number;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface DeviceInfo {
  readonly deviceId: string;
  readonly userId: string;
  readonly name: string;
  readonly client: ClientKind;
}

export type ClientKind = 'sdk' | 'sdk-json' | 'foreign';

interface At {
  readonly at: number;
  readonly deviceId: string;
}

interface InConversation extends At {
  readonly conversationId: string;
}

/** A new process of the device; with its storage, or with nothing. */
export interface LifeEvent extends At {
  readonly what: 'life';
  readonly remembers: boolean;
}

/** `online`: synced and live, as the client sees it. */
export interface StateEvent extends At {
  readonly what: 'state';
  readonly online: boolean;
  readonly detail: string;
}

/** Something the test itself did to this client. */
export interface DisturbedEvent extends At {
  readonly what: 'disturbed';
  readonly how: 'cut' | 'cut-in-mid-frame' | 'slow' | 'offline' | 'elsewhere';
  readonly untilMs: number;
}

export interface OfferedEvent extends InConversation {
  readonly what: 'offered';
  readonly id: string;
  readonly text: string;
  /** 0: the default. */
  readonly expiresAtMs: number;
}

export interface AckedEvent extends InConversation {
  readonly what: 'acked';
  readonly id: string;
  readonly seq: number;
  readonly serverTimeMs: number;
}

export interface RefusedEvent extends InConversation {
  readonly what: 'refused';
  readonly id: string;
  readonly reason: string;
  /** The client gives the message up. */
  readonly final: boolean;
}

export interface ShownEvent extends InConversation {
  readonly what: 'shown';
  readonly seq: number;
  readonly id: string;
  readonly fromUserId: string;
  readonly kind: string;
  readonly text: string | undefined;
}

/** A delivery that reached the device's socket, shown or not. */
export interface ReceivedEvent extends InConversation {
  readonly what: 'received';
  readonly seq: number;
}

export interface GoneEvent extends InConversation {
  readonly what: 'gone';
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly reason: GoneReason;
}

export type GoneReason = 'EXPIRED' | 'DELIVERED' | 'DELETED' | 'NOT_A_MEMBER' | 'UNSPECIFIED';

export interface PositionEvent extends InConversation {
  readonly what: 'position';
  readonly cursorSeq: number;
  readonly headSeq: number;
}

export interface ReceiptEvent extends InConversation {
  readonly what: 'receipt';
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

/** A change of members that the fleet has confirmed to the device that asked for it. */
export interface ChangedEvent extends InConversation {
  readonly what: 'changed';
  readonly change: 'added' | 'removed';
  readonly userIds: readonly string[];
  readonly version: number;
}

export type ClientEvent =
  | LifeEvent
  | StateEvent
  | DisturbedEvent
  | OfferedEvent
  | AckedEvent
  | RefusedEvent
  | ShownEvent
  | ReceivedEvent
  | GoneEvent
  | PositionEvent
  | ReceiptEvent
  | ChangedEvent;

/** One thing the nemesis did. */
export interface FaultRecord {
  readonly kind: string;
  /** Whom it hit. */
  readonly target: string;
  readonly from: number;
  /** When it was taken back, and what was hit answered again. */
  readonly to: number;
  /** The contract's ten seconds hold from the ack on, fault or not; else from the end of the fault on. */
  readonly strict: boolean;
  /** Why it could not be done as planned; it then counts as not done. */
  readonly failure?: string;
}

export interface LoggedMessage {
  readonly conversationId: string;
  readonly seq: number;
  readonly senderId: string;
  readonly senderDevice: string;
  readonly id: string;
  readonly serverTimeMs: number;
  readonly kind: number;
  readonly targetSeq: number;
  readonly hasPayload: boolean;
  readonly goneReason: GoneReason | undefined;
  readonly expiresAtMs: number;
}

export interface Interval {
  readonly fromSeq: number;
  /** 0: still a member. */
  readonly toSeq: number;
}

export interface Membership {
  readonly conversationId: string;
  readonly userId: string;
  readonly intervals: readonly Interval[];
}

/** What MongoDB holds at majority when all is over. */
export interface LogSnapshot {
  /** By conversation and seq. */
  readonly messages: readonly LoggedMessage[];
  readonly heads: readonly { readonly conversationId: string; readonly headSeq: number; readonly floorSeq: number }[];
  readonly members: readonly Membership[];
  /** Clock of this machine, ms since 1970, at time 0 of the history. */
  readonly epochMs: number;
}

export interface MarkSample {
  readonly at: number;
  readonly conversationId: string;
  readonly userId: string;
  readonly high: number;
  readonly read: number;
  readonly delivered: Readonly<Record<string, number>>;
}

export interface Violation {
  readonly check: CheckName;
  /** One sentence with the evidence in it. */
  readonly text: string;
  readonly at?: number;
  readonly conversationId?: string;
  readonly seq?: number;
  readonly device?: string;
}

export const CHECKS = {
  'acked-lost': 'an acked message is in the log, where its ack said',
  'acked-twice': 'every ack of a message says the same, and no refusal follows it',
  'log-dense': 'seq runs 1, 2, 3 ... to the head in every conversation',
  'log-unique': 'an id of a sender stands once in the log',
  'shown-twice': 'no device shows a message twice',
  'shown-order': 'every device shows a conversation in the order of seq',
  'one-order': 'all devices see the same message at the same seq, with the bytes that were sent',
  'gone-truthful': '`gone` and `position` skip only what the device has, may not see, or what has ended',
  'mark-back': 'no mark ever moves back',
  'mark-truthful': 'no mark is ahead of what a device of the member has',
  'seen-outside': 'nobody sees what was sent outside of the own membership',
  'members-agree': 'a confirmed change of members holds',
  'ten-seconds':
    'a connected device has a message 10 s after its ack, or after the end of the fault or of the own absence',
  'delivered-or-expired': 'every message reaches every device it is for, or expires',
  'payload-ends': 'payloads of what all devices have are removed, and their tombstones stay',
  'sends-settled': 'every send is acked or refused when all is well again',
} as const;

export type CheckName = keyof typeof CHECKS;
