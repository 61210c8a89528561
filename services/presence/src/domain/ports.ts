import type { EdgePresence, EdgeRun, UserPresence } from './presence.js';
import type { Relation } from './privacy.js';

export interface UserAtEdge {
  readonly userId: string;
  readonly edge: EdgeRun;
}

export interface UserGone extends UserAtEdge {
  readonly at: number;
}

/**
 * Which users have sockets on which edges, as all replicas know it together. May be away: methods then throw
 * RegistryUnavailable, and this replica goes on with what it knows itself.
 */
export interface OnlineRegistry {
  /** There is a socket. Gives what was known of each user before. */
  online(users: readonly UserAtEdge[]): Promise<readonly (readonly EdgePresence[])[]>;
  /** The last socket on the edge has gone. Gives what is known of each user after it. */
  offline(users: readonly UserGone[]): Promise<readonly (readonly EdgePresence[])[]>;
  /** When they were last seen is durable elsewhere: unless they came back there, the edge is done with them. */
  forget(users: readonly UserGone[]): Promise<void>;
  read(userIds: readonly string[]): Promise<readonly (readonly EdgePresence[])[]>;
  /** A sign of life of an edge. */
  keepAlive(edge: EdgeRun, at: number): Promise<void>;
  /** Which of these edges live, with their incarnations. */
  live(edgeIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** All runs of edges that still have users. */
  edges(): Promise<readonly EdgeRun[]>;
  lastHeartbeat(edge: EdgeRun): Promise<number | undefined>;
  /** The users that are online there, in pieces. */
  usersAt(edge: EdgeRun): AsyncIterable<readonly string[]>;
  /** Whether this replica is the one to clear up after a dead edge. */
  claim(edge: EdgeRun): Promise<boolean>;
  forgetEdge(edge: EdgeRun): Promise<void>;
}

export class RegistryUnavailable extends Error {
  override readonly name = 'RegistryUnavailable';
}

/** When users were last seen, durable. */
export interface LastSeenStore {
  /** Only ever later. */
  raise(at: ReadonlyMap<string, number>): Promise<void>;
  read(userIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

export interface RelationQuery {
  readonly subject: string;
  readonly viewer: string;
}

/** How users stand to each other, in the order asked. Rejects when nobody can tell. */
export type ReadRelations = (queries: readonly RelationQuery[]) => Promise<readonly Relation[]>;

/** The members of a group today; undefined when there is no such group. Rejects when nobody can tell. */
export type ReadMembers = (conversationId: string) => Promise<ReadonlySet<string> | undefined>;

export interface Typing {
  readonly conversationId: string;
  readonly userId: string;
  readonly stopped: boolean;
}

/** The other replicas. Nothing is kept for one that doesn't listen; never throws. */
export interface Broadcast {
  presence(userId: string, presence: UserPresence): void;
  typing(typing: Typing): void;
  /** Hears of a user, or of typing in a conversation, until the function it gives is called. */
  followUser(userId: string): () => void;
  followTyping(conversationId: string): () => void;
}

/** One message to an edge. */
export type Update =
  | { readonly kind: 'presence'; readonly handles: number[]; readonly userId: string; readonly presence: UserPresence }
  | { readonly kind: 'typing'; readonly handles: number[]; readonly typing: Typing };
