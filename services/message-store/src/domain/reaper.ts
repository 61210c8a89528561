import { sleep } from '@godwit/runtime/backoff';
import type { Clock } from '@godwit/runtime/clock';
import type { CursorStore } from './cursors.js';
import type { Head } from './head-cache.js';
import { GONE, KIND, type GoneReason } from './message.js';
import type { ConversationRecord, SeqRange } from './message-log.js';
import {
  planReaping,
  type Device,
  type ExpiredRange,
  type ReapableMessage,
  type ReapMember,
  type ReapPlan,
} from './plan-reaping.js';
import { MAX_TRACKED_MEMBERS } from './retention.js';

export interface ConversationMembers {
  /** Projections are written up to this membership change. */
  readonly membershipVersion: number;
  /** All that ever were members, with their times; undefined when there are more than can be tracked. */
  readonly members: readonly Pick<ReapMember, 'userId' | 'intervals'>[] | undefined;
}

/** Who is in a conversation. */
export interface Membership {
  /** As of this version of its members, or a later one. */
  members(conversationId: string, minVersion: number): Promise<ConversationMembers>;
}

/** The devices of users, fresh; users that don't exist are left out. */
export interface UserDevices {
  devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Device[]>>;
}

export interface Floor {
  readonly floorSeq: number;
  readonly expiredSeq: number;
}

export interface ReapStore {
  conversation(conversationId: string): Promise<ConversationRecord | undefined>;
  newest(conversationId: string): Promise<Omit<Head, 'retention'> | undefined>;
  /** From the seq on, in order. */
  reapable(conversationId: string, from: { seq: number; limit: number }): Promise<readonly ReapableMessage[]>;
  /** Those whose sender set an expiry that has passed, in order. */
  expiredEarly(conversationId: string, by: { nowMs: number; limit: number }): Promise<readonly ReapableMessage[]>;
  raiseHead(conversationId: string, head: Omit<Head, 'retention'>): Promise<void>;
  removePayloadsOf(conversationId: string, seqs: readonly number[], reason: GoneReason): Promise<void>;
  /** Of one whose head is stored. */
  raiseFloor(conversationId: string, floor: Floor): Promise<void>;
  /** Gives the tombstones of the range their end, and remembers that they have one. */
  endTombstones(conversationId: string, range: SeqRange): Promise<void>;
  /** All up to the head is gone: no candidate until the head is raised. */
  markReaped(conversationId: string, headSeq: number): Promise<void>;
  /** Conversations with payloads, in the order of their ids. */
  candidates(afterConversationId: string, limit: number): Promise<readonly string[]>;
}

export interface ReaperObserver {
  /** Payloads removed. */
  removed(reason: GoneReason, count: number): void;
  failed(error: unknown): void;
  /** A document above the floor is missing. */
  hole(conversationId: string): void;
  /** The senders are to be told. */
  expired(conversationId: string, ranges: readonly ExpiredRange[]): void;
}

export interface ReaperOptions {
  readonly store: ReapStore;
  readonly cursors: Pick<CursorStore, 'cursorsIn'>;
  readonly membership: Membership;
  readonly devices: UserDevices;
  readonly clock: Clock;
  readonly observer: ReaperObserver;
  readonly isOwn: (conversationId: string) => boolean;
  /** A conversation whose cursors moved is looked at this much later, once for all that moved meanwhile. */
  readonly delayMs: number;
  /** Pause between two visits, of some dozens of conversations each; longer where they take longer. */
  readonly paceMs: number;
  /** Pause between two rounds through all conversations with payloads. */
  readonly roundMs: number;
}

interface Window {
  readonly floorSeq: number;
  /** How many seqs above the floor. */
  readonly limit: number;
}

const WINDOW = 500;
const EARLY_LIMIT = 200;
const MAX_TOUCHED = 50_000;
const SCAN_PAGE = 200;
/** Conversations visited side by side: what is asked and written for them in the same step goes together. */
const AT_A_TIME = 64;
/** Of them, places for the round through all, so that conversations that move all the time do not stop it. */
const FOR_ROUND = 8;
const FAILED_PAUSE_MS = 1_000;

/** Ends messages: nothing else does. Some dozens of conversations at a time, and no more than half of the time. */
export class Reaper {
  readonly #options: ReaperOptions;
  /** Conversations whose cursors moved, with the monotonic time of their turn, in that order. */
  readonly #touched = new Map<string, number>();
  /** Those with another window, which is looked at next. */
  readonly #more = new Set<string>();
  #scanAfter = '';
  #nextRoundAt = 0;
  #page: string[] = [];

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Cursors of these moved. What doesn't fit in is found by the next round. */
  touch(conversationIds: Iterable<string>): void {
    const { clock, delayMs, isOwn } = this.#options;
    const turn = clock.monotonic() + delayMs;
    for (const conversationId of conversationIds) {
      if (this.#touched.size >= MAX_TOUCHED) return;
      if (!this.#touched.has(conversationId) && isOwn(conversationId)) this.#touched.set(conversationId, turn);
    }
  }

  /** Works until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, paceMs, observer } = this.#options;
    let pauseMs = paceMs;
    while (await sleep(pauseMs, signal)) {
      const startedAt = clock.monotonic();
      try {
        const visited = await Promise.all((await this.#next()).map((conversationId) => this.#visit(conversationId)));
        const allFailed = visited.length > 0 && !visited.includes(true);
        // A database that is slow is left alone for as long.
        pauseMs = allFailed ? FAILED_PAUSE_MS : Math.max(paceMs, clock.monotonic() - startedAt);
      } catch (error) {
        observer.failed(error);
        pauseMs = FAILED_PAUSE_MS;
      }
    }
  }

  /** False: it failed, and is left to the next round. */
  async #visit(conversationId: string): Promise<boolean> {
    try {
      // Its next window is as old: it does not wait again.
      if ((await this.reap(conversationId)) === 'more') this.#more.add(conversationId);
      return true;
    } catch (error) {
      this.#options.observer.failed(error);
      return false;
    }
  }

  async #next(): Promise<string[]> {
    const chosen = new Set<string>();
    for (const conversationId of this.#more) {
      if (chosen.size >= AT_A_TIME - FOR_ROUND) break;
      this.#more.delete(conversationId);
      chosen.add(conversationId);
    }
    const now = this.#options.clock.monotonic();
    for (const [conversationId, turn] of this.#touched) {
      if (turn > now || chosen.size >= AT_A_TIME - FOR_ROUND) break;
      this.#touched.delete(conversationId);
      chosen.add(conversationId);
    }
    while (chosen.size < AT_A_TIME) {
      const conversationId = await this.#nextOfRound(now);
      if (conversationId === undefined) break;
      chosen.add(conversationId);
    }
    return [...chosen];
  }

  async #nextOfRound(now: number): Promise<string | undefined> {
    const { isOwn, roundMs, store } = this.#options;
    if (this.#page.length === 0 && now >= this.#nextRoundAt) {
      const page = await store.candidates(this.#scanAfter, SCAN_PAGE);
      this.#scanAfter = page.at(-1) ?? '';
      if (page.length < SCAN_PAGE) {
        this.#scanAfter = '';
        this.#nextRoundAt = now + roundMs;
      }
      this.#page = page.filter(isOwn).reverse();
    }
    return this.#page.pop();
  }

  /** Ends what can be ended of the next window above the floor. `more`: the window is through and another follows. */
  async reap(conversationId: string): Promise<'done' | 'more'> {
    const { store } = this.#options;
    const [record, newest] = await Promise.all([store.conversation(conversationId), store.newest(conversationId)]);
    const head = highest(record, newest);
    if (head.seq === 0) return 'done';
    const { floorSeq, limit } = await this.#windowOf(conversationId, record);
    const messages = await this.#pick(conversationId, { floorSeq, limit });
    if (messages.length === 0) {
      if (floorSeq >= head.seq) await store.markReaped(conversationId, head.seq);
      return 'done';
    }
    // Only now, so that whoever is not among them starts above the range.
    const plan = await this.#plan(conversationId, { messages, head, floorSeq });
    await this.#carryOut(conversationId, { plan, head, floorSeq });
    const through = plan.floorSeq >= floorSeq + limit && plan.floorSeq < head.seq;
    return through ? 'more' : 'done';
  }

  /** What is looked at: directly above the floor, and not beyond what a restore passed over. */
  async #windowOf(conversationId: string, record: ConversationRecord | undefined): Promise<Window> {
    if (record === undefined) return { floorSeq: 0, limit: WINDOW };
    const { store } = this.#options;
    const { purgeSeq, expiredSeq, skipped } = record;
    // A crash between raising the floor and giving tombstones their end is made good here.
    if (purgeSeq < record.floorSeq) {
      await store.endTombstones(conversationId, { fromSeq: purgeSeq + 1, toSeq: record.floorSeq });
    }
    const floorSeq = overSkipped(record.floorSeq, skipped);
    if (floorSeq > record.floorSeq) await store.raiseFloor(conversationId, { floorSeq, expiredSeq });
    const next = skipped.find(({ fromSeq }) => fromSeq > floorSeq)?.fromSeq ?? Infinity;
    return { floorSeq, limit: Math.min(WINDOW, next - floorSeq - 1) };
  }

  async #pick(conversationId: string, { floorSeq, limit }: Window): Promise<readonly ReapableMessage[]> {
    const { store, clock, observer } = this.#options;
    const [window, early] = await Promise.all([
      store.reapable(conversationId, { seq: floorSeq + 1, limit }),
      store.expiredEarly(conversationId, { nowMs: clock.now(), limit: EARLY_LIMIT }),
    ]);
    const hole = window.findIndex(({ seq }, index) => seq !== floorSeq + 1 + index);
    if (hole >= 0) observer.hole(conversationId);
    const dense = hole < 0 ? window : window.slice(0, hole);
    const last = dense.at(-1)?.seq ?? floorSeq;
    return [...dense, ...early.filter(({ seq }) => seq > last)];
  }

  async #plan(
    conversationId: string,
    { messages, head, floorSeq }: { messages: readonly ReapableMessage[]; head: Head; floorSeq: number },
  ): Promise<ReapPlan> {
    const { membership, clock } = this.#options;
    // Whoever came by one of these has to be among the members, though the head was read before they were.
    const changes = messages.filter(({ kind }) => kind === KIND.membership).map(({ seq }) => seq);
    const minVersion = Math.max(head.membershipVersion, ...changes);
    const { membershipVersion, members } = await membership.members(conversationId, minVersion);
    const tracked = members !== undefined && members.length <= 4 * MAX_TRACKED_MEMBERS;
    return planReaping({
      messages,
      floorSeq,
      members: tracked ? await this.#withDevices(conversationId, members) : undefined,
      membershipVersion,
      retention: head.retention,
      now: clock.now(),
    });
  }

  async #withDevices(
    conversationId: string,
    members: readonly Pick<ReapMember, 'userId' | 'intervals'>[],
  ): Promise<ReapMember[]> {
    const userIds = members.map(({ userId }) => userId);
    const { devices, cursors } = this.#options;
    const [devicesOf, cursorsOf] = await Promise.all([
      devices.devicesOf(userIds),
      cursors.cursorsIn(conversationId, userIds),
    ]);
    const byUser = new Map(cursorsOf.map((cursor) => [cursor.userId, cursor]));
    return members.map(({ userId, intervals }) => ({
      userId,
      intervals,
      devices: devicesOf.get(userId),
      cursors: byUser.get(userId),
    }));
  }

  async #carryOut(
    conversationId: string,
    { plan, head, floorSeq }: { plan: ReapPlan; head: Head; floorSeq: number },
  ): Promise<void> {
    const { store, observer } = this.#options;
    const { delivered, expired } = plan;
    const ends = delivered.length + expired.length > 0 || plan.floorSeq > floorSeq;
    if (ends) await store.raiseHead(conversationId, head);
    if (delivered.length > 0) await store.removePayloadsOf(conversationId, delivered, GONE.delivered);
    if (expired.length > 0) await store.removePayloadsOf(conversationId, expired, GONE.expired);
    observer.removed(GONE.delivered, delivered.length);
    observer.removed(GONE.expired, expired.length);
    if (ends) await store.raiseFloor(conversationId, plan);
    if (plan.unseen.length > 0) observer.expired(conversationId, plan.unseen);
    if (plan.floorSeq > floorSeq) {
      await store.endTombstones(conversationId, { fromSeq: floorSeq + 1, toSeq: plan.floorSeq });
    }
    if (plan.floorSeq >= head.seq) await store.markReaped(conversationId, head.seq);
  }
}

/** The floor, over the gaps that begin right above it: there is nothing in them to wait for. */
const overSkipped = (floorSeq: number, skipped: readonly SeqRange[]): number =>
  skipped.reduce((floor, { fromSeq, toSeq }) => (fromSeq <= floor + 1 ? Math.max(floor, toSeq) : floor), floorSeq);

const highest = (record: ConversationRecord | undefined, newest: Omit<Head, 'retention'> | undefined): Head => ({
  seq: Math.max(record?.headSeq ?? 0, newest?.seq ?? 0),
  membershipVersion: Math.max(record?.membershipVersion ?? 0, newest?.membershipVersion ?? 0),
  serverTimeMs: Math.max(record?.serverTimeMs ?? 0, newest?.serverTimeMs ?? 0),
  retention: record?.retention ?? { historyDays: 0, expireAfterSeconds: 0 },
});
