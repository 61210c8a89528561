import type { UserPresence } from './presence.js';

export type Audience = 'everyone' | 'contacts' | 'nobody';

/** How a user (the subject) stands to another (the viewer). */
export interface Relation {
  readonly exists: boolean;
  /** The subject has blocked the viewer. */
  readonly blocked: boolean;
  /** The viewer is a contact of the subject. */
  readonly contact: boolean;
  readonly online: Audience;
  readonly lastSeen: Audience;
}

/** What a viewer may know of a subject. */
export interface Rights {
  readonly online: boolean;
  readonly lastSeen: boolean;
  /** Typing in the conversation of the two. */
  readonly typing: boolean;
}

export const NO_RIGHTS: Rights = { online: false, lastSeen: false, typing: false };
export const ALL_RIGHTS: Rights = { online: true, lastSeen: true, typing: true };

const admits = (audience: Audience, contact: boolean): boolean =>
  audience === 'everyone' || (audience === 'contacts' && contact);

export const rightsOf = ({ exists, blocked, contact, online, lastSeen }: Relation): Rights =>
  !exists || blocked
    ? NO_RIGHTS
    : { online: admits(online, contact), lastSeen: admits(lastSeen, contact), typing: true };

/** Hidden looks like offline, and like never seen. */
export const viewOf = ({ online, lastSeenMs }: UserPresence, rights: Rights): UserPresence => ({
  online: online && rights.online,
  lastSeenMs: rights.lastSeen ? lastSeenMs : 0,
});

/**
 * Whether a viewer may notice this change at all. Who may not see "online" must not get an update, even an unchanged
 * one, at the moment the user connects.
 */
export const isNoticeable = (before: UserPresence, after: UserPresence, rights: Rights): boolean =>
  (rights.online && before.online !== after.online) || (rights.lastSeen && before.lastSeenMs !== after.lastSeenMs);
