import { LRUCache } from 'lru-cache';
import type { Clock } from '@godwit/runtime/clock';
import { applyEntries, countActive, usersOf } from './apply-entry.js';
import { emptyConversation, type ConversationState, type LogEntry, type MemberRow } from './conversation.js';
import type { ConversationHead, MembershipLog, Observations, Projections, StoredMember } from './ports.js';
import { Refusal } from './refusal.js';

/** A conversation with what the log does not say. */
export interface Conversation extends ConversationState {
  /** Users who muted it: until when (ms since 1970). */
  readonly mutes: ReadonlyMap<string, number>;
  readonly muteVersion: number;
}

export interface LoadOptions {
  /** The log is known to be at least here. */
  readonly minVersion?: number;
  /** Whether what is remembered may be given without looking whether another replica has moved on. */
  readonly maybeOld?: boolean;
  /** Without a look into the log where nothing is stored: version 0 may then mean that nobody has written it down yet. */
  readonly storedOnly?: boolean;
}

export interface DirectoryOptions {
  readonly projections: Projections;
  readonly log: MembershipLog;
  readonly clock: Clock;
  readonly observations: Observations;
  /** Member rows kept in memory, over all conversations. */
  readonly maxCachedMembers: number;
}

// The row, its map entry and its interval are some 300 bytes; a conversation without members costs about this many.
const CONVERSATION_WEIGHT = 4;

/**
 * Reads conversations from the projections and brings those up to date from the log where they are behind. What it
 * remembers is never ahead of what is stored, so that the next change finds all rows below its base written.
 */
export class ConversationDirectory {
  readonly #projections: Projections;
  readonly #log: MembershipLog;
  readonly #clock: Clock;
  readonly #observations: Observations;
  readonly #cache: LRUCache<string, Conversation>;
  readonly #updates = new Map<string, Promise<Conversation>>();

  constructor({ projections, log, clock, observations, maxCachedMembers }: DirectoryOptions) {
    this.#projections = projections;
    this.#log = log;
    this.#clock = clock;
    this.#observations = observations;
    this.#cache = new LRUCache({
      maxSize: maxCachedMembers,
      sizeCalculation: ({ members }) => members.size + CONVERSATION_WEIGHT,
    });
  }

  /**
   * The conversation at `minVersion` or later; version 0 where there is no log.
   * @throws Refusal VERSION_NOT_REACHED when the log has not come that far
   */
  async load(conversationId: string, options: LoadOptions = {}): Promise<Conversation> {
    const { minVersion = 0, maybeOld = false, storedOnly = false } = options;
    const cached = this.#cache.get(conversationId);
    if (cached !== undefined && maybeOld && cached.version >= minVersion) return cached;
    const head = await this.#projections.head(conversationId);
    if (head === undefined && storedOnly) return cached ?? nothing(conversationId);
    const wanted: Wanted = { version: Math.max(minVersion, head?.version ?? 0), muteVersion: head?.muteVersion ?? 0 };
    if (cached !== undefined && satisfies(cached, wanted)) return cached;
    const running = this.#updates.get(conversationId);
    if (running !== undefined) {
      // It may have begun before this call, and then need not know what this call must.
      const joined = await running;
      if (satisfies(joined, wanted)) return joined;
    }
    return this.#share(conversationId, this.#reload(conversationId, head, wanted));
  }

  /**
   * Writes down what was appended on top of `base`, which came from `load`. Whoever asks for the new version meanwhile
   * (the router, to fan it out) waits for it instead of doing the same.
   */
  record(base: Conversation, entry: LogEntry): Promise<Conversation> {
    return this.#share(base.conversationId, this.#advance(base, [entry]));
  }

  async #share(conversationId: string, update: Promise<Conversation>): Promise<Conversation> {
    this.#updates.set(conversationId, update);
    try {
      return await update;
    } finally {
      if (this.#updates.get(conversationId) === update) this.#updates.delete(conversationId);
    }
  }

  async #reload(conversationId: string, head: ConversationHead | undefined, wanted: Wanted): Promise<Conversation> {
    const stored = await this.#readStored(conversationId, head);
    const isAhead = [...stored.members.values()].some(({ appliedSeq }) => appliedSeq > stored.version);
    if (stored.version > 0 && stored.version >= wanted.version && !isAhead) return this.#remember(stored);
    const entries = await this.#readLog(conversationId, stored.version);
    if (entries.length > 0) this.#observations.caughtUp();
    const caughtUp = await this.#advance(stored, entries);
    if (caughtUp.version < wanted.version) {
      throw new Refusal('unavailable', 'VERSION_NOT_REACHED', { message: 'the log has not come to this version' });
    }
    return caughtUp;
  }

  /** Head first, then rows: rows are written before the head, so none below the head's version can be missing. */
  async #readStored(conversationId: string, head: ConversationHead | undefined): Promise<Conversation> {
    const base = this.#cache.get(conversationId) ?? nothing(conversationId);
    if (head === undefined && base.version > 0) return base;
    const mutedAfter = this.#clock.now();
    const rows = await this.#projections.members({ conversationId, changedAfter: base.version, mutedAfter });
    const members = new Map(base.members);
    for (const row of rows) {
      const known = members.get(row.userId);
      if (known === undefined || known.appliedSeq < row.appliedSeq) members.set(row.userId, withoutMute(row));
    }
    const mutes = new Map(rows.filter((row) => row.mutedUntil > mutedAfter).map((row) => [row.userId, row.mutedUntil]));
    const newest = head !== undefined && head.version > base.version ? head : base;
    return {
      conversationId,
      version: newest.version,
      name: newest.name,
      pictureMediaId: newest.pictureMediaId,
      settings: newest.settings,
      createdAt: newest.createdAt,
      memberCount: countActive(members),
      members,
      mutes,
      muteVersion: head?.muteVersion ?? 0,
    };
  }

  async #readLog(conversationId: string, afterVersion: number): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    for (let after = afterVersion; ;) {
      const page = await this.#log.read(conversationId, after);
      entries.push(...page.entries);
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return entries;
      after = last.seq;
    }
  }

  /**
   * Applies entries and stores what becomes of them. The rows of everyone they name are written, also of those that had
   * seen them: who wrote these may have died before it came to the other collection.
   */
  async #advance(base: Conversation, entries: readonly LogEntry[]): Promise<Conversation> {
    const state = applyEntries(base, entries);
    if (state.version === base.version) return this.#remember(base);
    const touched = new Set(entries.flatMap(({ change }) => usersOf(change)));
    const rows = [...touched].flatMap((userId) => state.members.get(userId) ?? []);
    const { conversationId, version, name, pictureMediaId, settings, createdAt, memberCount } = state;
    await this.#projections.raiseRows(conversationId, rows);
    await this.#projections.raiseHead({
      conversationId,
      version,
      name,
      pictureMediaId,
      settings,
      createdAt,
      memberCount,
    });
    return this.#remember({ ...state, mutes: base.mutes, muteVersion: base.muteVersion });
  }

  #remember(conversation: Conversation): Conversation {
    const { conversationId, version } = conversation;
    const cached = this.#cache.get(conversationId);
    if (version > 0 && (cached === undefined || cached.version <= version))
      this.#cache.set(conversationId, conversation);
    return conversation;
  }
}

interface Wanted {
  readonly version: number;
  readonly muteVersion: number;
}

const nothing = (conversationId: string): Conversation => ({
  ...emptyConversation(conversationId),
  mutes: new Map(),
  muteVersion: 0,
});

const satisfies = ({ version, muteVersion }: Conversation, wanted: Wanted): boolean =>
  version > 0 && version >= wanted.version && muteVersion >= wanted.muteVersion;

const withoutMute = ({ userId, role, intervals, appliedSeq }: StoredMember): MemberRow => ({
  userId,
  role,
  intervals,
  appliedSeq,
});
