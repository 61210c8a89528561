import { isConversationId } from '@godwit/ids/conversation';
import { cutPage } from './answer-size.js';
import type { Conversations } from './conversations.js';
import { isAdmin } from './conversation.js';
import { contains, type Interval } from './intervals.js';
import { GONE } from './kind.js';
import type { LogPage, LogQuery, Mark, MessageLog, MessageState } from './ports.js';
import { readVisible } from './read-visible.js';
import { invalid, notAMember, Refused, unavailable } from './refusal.js';
import type { Relations } from './relations.js';

/** Messages that one answer has at most. */
export const MAX_MESSAGES = 256;
const DEFAULT_MESSAGES = 64;
const MAX_HISTORY_DAYS = 3_650;
const MIN_EXPIRE_SECONDS = 60;
const MAX_EXPIRE_SECONDS = 30 * 86_400;
const MAX_MARKS = 500;
const DEFAULT_MARKS = 256;

export interface HistoryOptions {
  readonly log: MessageLog;
  readonly conversations: Conversations;
  readonly relations: Relations;
}

/** A range of one conversation as a user asks for it; `limit` 0: the default. */
export interface FetchQuery extends Omit<LogQuery, 'limit'> {
  readonly userId: string;
  readonly limit: number;
}

export interface ReceiptsQuery {
  readonly userId: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface ReceiptsPage {
  readonly marks: readonly Mark[];
  readonly nextPageToken: string;
  /** Why the payload is gone; 0: it isn't. */
  readonly goneReason: number;
}

export interface RetentionWish {
  readonly userId: string;
  readonly conversationId: string;
  readonly historyDays: number;
  readonly expireAfterSeconds: number;
}

/** The number of entries to answer with. @throws Refused for more than there may be */
export const limitOf = (field: string, asked: number, { fallback, max }: { fallback: number; max: number }): number => {
  if (!Number.isSafeInteger(asked) || asked < 0 || asked > max) {
    throw new Refused(invalid(field, `is not 1 to ${String(max)}, or 0 for ${String(fallback)}`));
  }
  return asked === 0 ? fallback : asked;
};

export const messageLimit = (field: string, asked: number): number =>
  limitOf(field, asked, { fallback: DEFAULT_MESSAGES, max: MAX_MESSAGES });

const checkRange = (query: Omit<LogQuery, 'limit'>): void => {
  const { afterSeq, beforeSeq, fromMs, toMs } = query;
  const wrong = Object.entries({ after_seq: afterSeq, before_seq: beforeSeq, from_ms: fromMs, to_ms: toMs }).find(
    ([, value]) => !Number.isSafeInteger(value) || value < 0,
  );
  if (wrong !== undefined) throw new Refused(invalid(wrong[0], 'is not a whole number from 0 to 2^53'));
  if (beforeSeq !== 0 && beforeSeq <= afterSeq) throw new Refused(invalid('before_seq', 'is not above after_seq'));
  if (toMs !== 0 && toMs < fromMs) throw new Refused(invalid('to_ms', 'is before from_ms'));
};

/** What users read of conversations, each within its times of membership. Refusals are thrown as Refused. */
export class History {
  readonly #options: HistoryOptions;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  async fetch({ userId, limit, ...query }: FetchQuery): Promise<LogPage> {
    checkRange(query);
    const bounded = { ...query, limit: messageLimit('limit', limit) };
    const intervals = await this.#intervalsOf(userId, query.conversationId);
    return cutPage(await readVisible(this.#options.log, bounded, intervals), query.newestFirst);
  }

  async receipts({ userId, conversationId, seq, pageSize, pageToken }: ReceiptsQuery): Promise<ReceiptsPage> {
    const size = limitOf('page_size', pageSize, { fallback: DEFAULT_MARKS, max: MAX_MARKS });
    const intervals = await this.#intervalsOf(userId, conversationId);
    if (!Number.isSafeInteger(seq) || seq < 0) throw new Refused(invalid('seq', 'is not a seq'));
    if (seq > 0 && !contains(intervals, seq)) throw new Refused(notAMember);
    const { log } = this.#options;
    const query = { conversationIds: [conversationId], userIds: [], changedSinceMs: 0, pageSize: size, pageToken };
    const [page, state] = await Promise.all([
      log.marks(query),
      seq === 0 ? undefined : log.messageState(conversationId, seq),
    ]);
    if (seq > 0 && state === undefined) throw new Refused(invalid('seq', 'there is no such message'));
    const goneReason = goneReasonOf(state);
    return { marks: await this.#shown(userId, page.marks), nextPageToken: page.nextPageToken, goneReason };
  }

  async setHistory({ userId, conversationId, historyDays, expireAfterSeconds }: RetentionWish): Promise<void> {
    if (historyDays > MAX_HISTORY_DAYS) throw new Refused(invalid('history_days', 'is more than 3,650'));
    const expiryFits = expireAfterSeconds >= MIN_EXPIRE_SECONDS && expireAfterSeconds <= MAX_EXPIRE_SECONDS;
    if (expireAfterSeconds !== 0 && !expiryFits) {
      throw new Refused(invalid('expire_after_seconds', 'is not 60 seconds to 30 days, or 0'));
    }
    const view = await this.#viewOf(conversationId);
    const intervals = view.members.get(userId)?.intervals ?? [];
    if (intervals.at(-1)?.to !== Infinity) throw new Refused(notAMember);
    if (conversationId.startsWith('g:') && !isAdmin(view, userId)) {
      throw new Refused({ reason: 'NOT_AN_ADMIN', field: 'conversation_id', message: 'only admins of the group may' });
    }
    await this.#options.log.setRetention({ conversationId, historyDays, expireAfterSeconds });
  }

  async #viewOf(conversationId: string) {
    if (!isConversationId(conversationId)) throw new Refused(invalid('conversation_id', 'is not a conversation id'));
    const { log, conversations } = this.#options;
    // What is cached may be a change behind: a removed member must not read on, an added one must not be told `gone`.
    const loaded = await log
      .heads([conversationId])
      .then((heads) =>
        conversations.get(conversationId, { minVersion: heads.get(conversationId)?.membershipVersion ?? 0 }),
      )
      .catch(() => undefined);
    if (loaded === undefined) throw new Refused(unavailable('the members of this conversation can not be read now'));
    if (!loaded.found) throw new Refused(loaded.refusal);
    return loaded.view;
  }

  async #intervalsOf(userId: string, conversationId: string): Promise<readonly Interval[]> {
    const intervals = (await this.#viewOf(conversationId)).members.get(userId)?.intervals;
    if (intervals === undefined) throw new Refused(notAMember);
    return intervals;
  }

  /** Reads are shown as their readers allow it. */
  async #shown(userId: string, marks: readonly Mark[]): Promise<Mark[]> {
    const others = marks.filter((mark) => mark.userId !== userId);
    const relations = await this.#options.relations.getAll(
      others.map((mark) => ({ owner: mark.userId, other: userId })),
    );
    const hidden = new Set(others.filter((_, index) => relations[index]?.showsReads !== true));
    return marks.map((mark) => (hidden.has(mark) ? { ...mark, readSeq: 0 } : mark));
  }
}

/** 0: its content is there. What was lost in a restore is told as expired, as it is in reads. */
const goneReasonOf = (state: MessageState | 'passed-over' | undefined): number => {
  if (state === 'passed-over') return GONE.expired;
  return state?.payloadGone === true ? state.goneReason : 0;
};
