// Every subject of the fleet, beside each other. Payloads are messages of proto/godwit/event/v1. The namespace is put in
// front by the bus; names here are without it.

declare const kind: unique symbol;

/** A subject of core NATS: who isn't listening misses it. */
export type CoreSubject = string & { readonly [kind]: 'core' };
/** A subject whose messages a JetStream stream stores. */
export type StoredSubject = string & { readonly [kind]: 'stored' };

// Ids and conversation ids. Anything else (dots, `*`, `>`, blanks) would change which subject it is.
const TOKEN_PATTERN = /^[A-Za-z0-9_:-]+$/;

/** @throws RangeError for what can't be one token of a subject */
const token = (value: string): string => {
  if (!TOKEN_PATTERN.test(value)) throw new RangeError(`"${value}" can't be part of a subject`);
  return value;
};

const core = (subject: string): CoreSubject => subject as CoreSubject;
const stored = (subject: string): StoredSubject => subject as StoredSubject;

// --- presence: core NATS, may be lost ---

/** PresenceChanged, between presence replicas. */
export const presenceOfUser = (userId: string): CoreSubject => core(`presence.user.${token(userId)}`);
export const presenceOfAllUsers: CoreSubject = core('presence.user.*');

/** TypingChanged. */
export const typingIn = (conversationId: string): CoreSubject => core(`presence.typing.${token(conversationId)}`);
export const typingInAll: CoreSubject = core('presence.typing.*');

/** For the sockets of one edge. */
export const presenceForEdge = (edgeId: string): CoreSubject => core(`presence.edge.${token(edgeId)}`);

// --- stream PUSH: work, done once ---

/** PushWake: a device of this user may have something it does not know of. */
export const pushWake = (userId: string): StoredSubject => stored(`push.wake.${token(userId)}`);

// --- stream ACCOUNT: what others cache has changed ---

/** AccountChanged with `profile`. */
export const accountProfile = (userId: string): StoredSubject => stored(`account.profile.${token(userId)}`);
/** AccountChanged with `relations`: blocks, contacts, privacy. */
export const accountRelations = (userId: string): StoredSubject => stored(`account.relations.${token(userId)}`);
/** AccountChanged with `deviceRevoked`. */
export const accountDevice = (userId: string): StoredSubject => stored(`account.device.${token(userId)}`);
export const accountProfiles: StoredSubject = stored('account.profile.*');
export const accountRelationsOfAll: StoredSubject = stored('account.relations.*');
export const accountDevices: StoredSubject = stored('account.device.*');
export const accountAll: StoredSubject = stored('account.>');

// --- stream GROUP: membership has changed ---

/** MembershipChanged. */
export const groupMembership = (conversationId: string): StoredSubject =>
  stored(`group.membership.${token(conversationId)}`);
export const groupMemberships: StoredSubject = stored('group.membership.*');

// --- stream EVENTS: what happened to messages and sessions ---

/** A trace reads one of so many parts of the stream. Changing it hides the facts of the last seven days from traces. */
export const EVENT_SLOTS = 32;

/** FactBatch: what a replica of the service noticed of one slot. */
export const eventsOf = (service: string, slot: number): StoredSubject =>
  stored(`events.${token(service)}.${token(String(slot))}`);
/** FactBatch of all services. */
export const eventsInSlot = (slot: number): StoredSubject => stored(`events.*.${token(String(slot))}`);
