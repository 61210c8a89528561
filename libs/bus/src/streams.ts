// Every JetStream stream of the fleet. JetStream acks before it has flushed to disk: nothing here is ever the only place
// where a message of a user is.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;

export interface StreamDeclaration {
  /** The namespace is put in front by the bus. */
  readonly name: string;
  readonly subjects: readonly string[];
  /** `work`: a message goes once its one consumer has acked it. `facts`: kept until too old or too many. */
  readonly keeps: 'work' | 'facts';
  readonly maxAgeMs: number;
  /** The server sets the room aside when it makes the stream; an existing stream may have been given more. */
  readonly maxBytes: number;
  /** Publishing the same id again within this time does nothing. */
  readonly dedupeMs: number;
}

/** Wake-ups for offline devices: room for some 400,000. When full it refuses, so that the router keeps the wake and tries again. */
export const PUSH: StreamDeclaration = {
  name: 'PUSH',
  subjects: ['push.wake.>'],
  keeps: 'work',
  maxAgeMs: 24 * HOUR_MS,
  maxBytes: 64 * MIB,
  dedupeMs: 2 * MINUTE_MS,
};

/** Changes of accounts that others cache: profile, relations, devices. When full the oldest goes. */
export const ACCOUNT: StreamDeclaration = {
  name: 'ACCOUNT',
  subjects: ['account.>'],
  keeps: 'facts',
  maxAgeMs: 24 * HOUR_MS,
  maxBytes: 32 * MIB,
  dedupeMs: 2 * MINUTE_MS,
};

/** Changes of membership that others cache. When full the oldest goes. */
export const GROUP: StreamDeclaration = {
  name: 'GROUP',
  subjects: ['group.membership.>'],
  keeps: 'facts',
  maxAgeMs: 24 * HOUR_MS,
  maxBytes: 32 * MIB,
  dedupeMs: 2 * MINUTE_MS,
};

/** What happened to messages and sessions, for traces and analytics. When full the oldest goes. */
export const EVENTS: StreamDeclaration = {
  name: 'EVENTS',
  subjects: ['events.*.*'],
  keeps: 'facts',
  maxAgeMs: 7 * DAY_MS,
  maxBytes: 64 * MIB,
  dedupeMs: 2 * MINUTE_MS,
};
