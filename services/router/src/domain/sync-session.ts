import type { Clock } from '@godwit/runtime/clock';
import { RECEIPT_MEMBERS } from './conversation.js';
import type { Cursors } from './cursors.js';
import { isOpen } from './intervals.js';
import type { ConversationSource, GoneRange, Head, LogPage, Mark, StoredMessage, UserConversation } from './ports.js';
import { readVisible } from './read-visible.js';
import { unavailable, type Refusal } from './refusal.js';
import type { Relations } from './relations.js';
import { planSync, type SyncPlan } from './sync-plan.js';
import type { SyncQuestions } from './sync-questions.js';

export interface SyncRequest {
  readonly userId: string;
  readonly deviceId: string;
  readonly cursors: ReadonlyMap<string, number>;
  readonly marksSinceMs: number;
  readonly recheck: boolean;
}

/** Where a sync's findings go, in order. */
export interface SyncSink {
  /** The edge reads slower than syncs are read from the log: no more for now. */
  isBacklogged(): boolean;
  position(conversationId: string, cursorSeq: number, headSeq: number): void;
  message(message: StoredMessage): void;
  gone(conversationId: string, range: GoneRange): void;
  receipt(mark: Mark, expiredSeq: number): void;
  error(conversationId: string, refusal: Refusal): void;
  done(serverTimeMs: number): void;
  failed(refusal: Refusal): void;
}

/** Runs work when there is room; syncs of thousands of devices take turns, sends don't wait behind them. */
export type Paced = <T>(work: () => Promise<T>) => Promise<T>;

export interface SyncOptions {
  readonly questions: SyncQuestions;
  readonly conversations: Pick<ConversationSource, 'load'>;
  readonly relations: Relations;
  readonly cursors: Cursors;
  readonly clock: Clock;
  readonly paced: Paced;
  readonly onFailed: (error: unknown) => void;
}

/** Messages that an edge takes of a sync before it has acked any. */
export const INITIAL_CREDIT = 256;
const CONVERSATIONS_A_PAGE = 500;
const MESSAGES_A_PAGE = 128;
/** Conversations of one device that are read at a time. */
const READERS = 4;
/** The clocks of routers and stores may differ by less than this. */
const MARKS_MARGIN_MS = 10_000;
const BACKLOG_MS = 20;
const STUCK_TRIES = 5;
const STUCK_PAUSE_MS = 200;

class SyncClosed extends Error {}

/** Brings one device up to date: everything between its cursors and the heads, without gaps, within its credit. */
export class SyncSession {
  readonly #options: SyncOptions;
  readonly #request: SyncRequest;
  readonly #sink: SyncSink;
  #credit = INITIAL_CREDIT;
  #closed = false;
  #deviceSinceMs: number | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: SyncOptions, request: SyncRequest, sink: SyncSink) {
    this.#options = options;
    this.#request = request;
    this.#sink = sink;
  }

  /** The device has acked so many more. */
  grant(messages: number): void {
    this.#credit += messages;
    this.#wakeReaders();
  }

  /** The socket is gone. */
  close(): void {
    this.#closed = true;
    this.#wakeReaders();
  }

  /** Resolves when the sync is over, one way or the other. */
  async run(): Promise<void> {
    const startedAt = this.#options.clock.now();
    try {
      await this.#allConversations();
      if (!this.#closed) this.#sink.done(startedAt);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onFailed(error);
      this.#sink.failed(unavailable('the sync could not be completed'));
    }
  }

  async #allConversations(): Promise<void> {
    const { userId } = this.#request;
    let pageToken = '';
    do {
      this.#check();
      const page = await this.#options.questions.conversations({ userId, pageSize: CONVERSATIONS_A_PAGE, pageToken });
      await this.#page(page.conversations);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  async #page(found: readonly UserConversation[]): Promise<void> {
    if (found.length === 0) return;
    const ids = found.map(({ conversationId }) => conversationId);
    const [heads, stored] = await Promise.all([this.#options.questions.heads(ids), this.#storedCursors(found)]);
    const conversations = await Promise.all(found.map((one) => this.#upToDate(one, heads.get(one.conversationId))));
    this.#check();
    const plans: SyncPlan[] = [];
    for (const conversation of conversations) {
      const { conversationId } = conversation;
      const facts = {
        conversation,
        head: heads.get(conversationId),
        stored: stored.get(conversationId),
        given: this.#request.cursors.get(conversationId),
        recheck: this.#request.recheck,
      };
      const plan = planSync(facts);
      if (plan === undefined) continue;
      this.#announce(plan);
      if (plan.upTo > plan.after) plans.push(plan);
    }
    await this.#readAll(
      plans,
      new Map(conversations.map((conversation) => [conversation.conversationId, conversation])),
    );
    if (!this.#request.recheck) await this.#marks(conversations, heads);
  }

  /** `group` may not have applied the last change of members yet: who was removed by it must not read on. */
  async #upToDate(conversation: UserConversation, head: Head | undefined): Promise<UserConversation> {
    const { conversationId, version } = conversation;
    const minVersion = head?.membershipVersion ?? 0;
    if (version === 0 || minVersion <= version) return conversation;
    const { conversations, paced } = this.#options;
    const loaded = await paced(() => conversations.load(conversationId, { minVersion, create: false }));
    if (!loaded.found) return conversation;
    const { members, memberCount, version: loadedVersion } = loaded.view;
    const intervals = members.get(this.#request.userId)?.intervals ?? [];
    return { conversationId, intervals, memberCount, version: loadedVersion };
  }

  /** A recheck asks only for those that the edge does not know. */
  async #storedCursors(conversations: readonly UserConversation[]): Promise<ReadonlyMap<string, number>> {
    const { userId, deviceId, recheck, cursors } = this.#request;
    const asked = recheck ? conversations.filter(({ conversationId }) => !cursors.has(conversationId)) : conversations;
    if (asked.length === 0) return new Map();
    const starts = asked.map(({ conversationId, intervals }) => ({
      conversationId,
      startSeq: Math.max((intervals[0]?.from ?? 1) - 1, 0),
    }));
    const { questions } = this.#options;
    // Without it a new device starts a little too early, which costs time and loses nothing.
    this.#deviceSinceMs ??= await questions.registeredAt({ userId, deviceId }).catch(() => 0);
    return questions.cursors({ userId, deviceId, deviceSinceMs: this.#deviceSinceMs, starts });
  }

  #announce(plan: SyncPlan): void {
    const { userId, deviceId } = this.#request;
    const { conversationId } = plan;
    if (plan.aboveHead) {
      const message = 'the cursor is above the head of the conversation: the stored one is used';
      this.#sink.error(conversationId, { reason: 'CURSOR_ABOVE_HEAD', field: 'cursors', message });
    }
    if (plan.raiseTo > 0) {
      this.#options.cursors.raise({ conversationId, userId, deviceId, deliveredSeq: plan.raiseTo, readSeq: 0 });
    }
    if (plan.saysPosition) this.#sink.position(conversationId, plan.after, plan.upTo);
  }

  async #readAll(plans: readonly SyncPlan[], byId: ReadonlyMap<string, UserConversation>): Promise<void> {
    const queue = plans.values();
    const reader = async (): Promise<void> => {
      for (const plan of queue) {
        const conversation = byId.get(plan.conversationId);
        if (conversation !== undefined) await this.#read(plan, conversation);
      }
    };
    await Promise.all(Array.from({ length: Math.min(READERS, plans.length) }, reader));
  }

  async #read({ conversationId, after, upTo }: SyncPlan, { intervals }: UserConversation): Promise<void> {
    const { questions, paced } = this.#options;
    let stuck = 0;
    for (let at = after; at < upTo;) {
      await this.#untilRead();
      const limit = await this.#takeCredit();
      const query = {
        conversationId,
        afterSeq: at,
        beforeSeq: upTo + 1,
        fromMs: 0,
        toMs: 0,
        limit,
        newestFirst: false,
      };
      const page = await paced(() => readVisible(questions, query, intervals));
      this.#check();
      this.#emit(conversationId, page);
      this.grant(limit - page.messages.length);
      // The head was stored, so what is below it is readable; a replica may take a moment to see it.
      if (page.coveredToSeq > at) stuck = 0;
      else if (++stuck > STUCK_TRIES) throw new Error(`nothing to read above ${String(at)} up to ${String(upTo)}`);
      else await new Promise((resolve) => setTimeout(resolve, STUCK_PAUSE_MS));
      at = Math.max(page.coveredToSeq, at);
    }
  }

  /** By seq, whatever it is. */
  #emit(conversationId: string, { messages, gone }: LogPage): void {
    const ranges = [...gone].sort((a, b) => a.fromSeq - b.fromSeq);
    let next = 0;
    for (const message of messages) {
      for (let range = ranges[next]; range !== undefined && range.fromSeq < message.seq; range = ranges[++next]) {
        this.#sink.gone(conversationId, range);
      }
      this.#sink.message(message);
    }
    for (const range of ranges.slice(next)) this.#sink.gone(conversationId, range);
  }

  async #marks(conversations: readonly UserConversation[], heads: ReadonlyMap<string, Head>): Promise<void> {
    const told = conversations.filter(
      ({ intervals, memberCount }) => isOpen(intervals) && memberCount <= RECEIPT_MEMBERS,
    );
    if (told.length === 0) return;
    const sinceMs = Math.max(this.#request.marksSinceMs - MARKS_MARGIN_MS, 0);
    const marked = new Set<string>();
    for await (const page of this.#options.questions.marks({ conversations: told, sinceMs })) {
      this.#check();
      for (const mark of await this.#shown(page)) {
        marked.add(mark.conversationId);
        this.#sink.receipt(mark, heads.get(mark.conversationId)?.expiredSeq ?? 0);
      }
    }
    this.#expired(
      told.map(({ conversationId }) => conversationId).filter((id) => !marked.has(id)),
      heads,
    );
  }

  /** What expired is said even where no mark moved. */
  #expired(conversationIds: readonly string[], heads: ReadonlyMap<string, Head>): void {
    for (const conversationId of conversationIds) {
      const expiredSeq = heads.get(conversationId)?.expiredSeq ?? 0;
      if (expiredSeq === 0) continue;
      this.#sink.receipt({ conversationId, userId: this.#request.userId, deliveredSeq: 0, readSeq: 0 }, expiredSeq);
    }
  }

  /** Reads are shown as their readers allow it. */
  async #shown(marks: readonly Mark[]): Promise<Mark[]> {
    const { userId } = this.#request;
    const relations = await this.#options.relations.getAll(
      marks.map((mark) => ({ owner: mark.userId, other: userId })).filter(({ owner }) => owner !== userId),
    );
    let next = 0;
    return marks.map((mark) => {
      if (mark.userId === userId) return mark;
      return relations[next++]?.showsReads === true ? mark : { ...mark, readSeq: 0 };
    });
  }

  async #untilRead(): Promise<void> {
    while (this.#sink.isBacklogged() && !this.#closed) await new Promise((resolve) => setTimeout(resolve, BACKLOG_MS));
  }

  async #takeCredit(): Promise<number> {
    while (this.#credit <= 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#check();
    const taken = Math.min(this.#credit, MESSAGES_A_PAGE);
    this.#credit -= taken;
    return taken;
  }

  #wakeReaders(): void {
    if (this.#credit <= 0 && !this.#closed) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #check(): void {
    if (this.#closed) throw new SyncClosed();
  }
}
