import pLimit from 'p-limit';
import { fitting } from './answer-size.js';
import type { ConversationSource, LogQuery, MessageLog, StoredMessage, UserConversation } from './ports.js';
import { readVisible } from './read-visible.js';
import { invalid, Refused } from './refusal.js';

export interface MergedQuery {
  readonly userId: string;
  readonly fromMs: number;
  /** 0: no bound. */
  readonly toMs: number;
  readonly count: number;
  readonly newestFirst: boolean;
  readonly pageToken: string;
}

export interface MergedPage {
  readonly messages: readonly StoredMessage[];
  readonly nextPageToken: string;
}

export interface MergedMessagesOptions {
  readonly log: MessageLog;
  readonly conversations: Pick<ConversationSource, 'ofUser'>;
}

/** Conversations of one user that are read at a time. */
const CONCURRENCY = 8;
/** Conversations that one question looks into. */
const MAX_CONVERSATIONS = 2_000;
const PAGE = 500;

/** A place in the merged order: by server time, then conversation, then seq. */
export interface Place {
  readonly serverTimeMs: number;
  readonly conversationId: string;
  readonly seq: number;
}

export const comparePlaces = (a: Place, b: Place): number => {
  if (a.serverTimeMs !== b.serverTimeMs) return a.serverTimeMs - b.serverTimeMs;
  if (a.conversationId !== b.conversationId) return a.conversationId < b.conversationId ? -1 : 1;
  return a.seq - b.seq;
};

export const encodePlace = ({ serverTimeMs, conversationId, seq }: Place): string =>
  Buffer.from(`${String(serverTimeMs)} ${conversationId} ${String(seq)}`).toString('base64url');

const TOKEN_PATTERN = /^(\d{1,16}) ([a-z2-7:]{28,55}) (\d{1,16})$/;

/** @throws Refused for what `encodePlace` did not make */
export const decodePlace = (token: string): Place | undefined => {
  if (token === '') return undefined;
  const match = TOKEN_PATTERN.exec(Buffer.from(token, 'base64url').toString('latin1'));
  const [, serverTimeMs, conversationId, seq] = match ?? [];
  if (conversationId === undefined) throw new Refused(invalid('page_token', 'is not a token of this call'));
  return { serverTimeMs: Number(serverTimeMs), conversationId, seq: Number(seq) };
};

/** What is asked of one conversation so that it gives only what comes after the place. */
export const queryFor = (
  conversationId: string,
  { fromMs, toMs, count, newestFirst }: MergedQuery,
  place: Place | undefined,
): LogQuery => {
  const query = { conversationId, afterSeq: 0, beforeSeq: 0, fromMs, toMs, limit: count, newestFirst };
  if (place === undefined) return query;
  if (conversationId === place.conversationId) {
    return newestFirst ? { ...query, beforeSeq: place.seq } : { ...query, afterSeq: place.seq };
  }
  // Of the same millisecond it has those that sort behind the place in the asked direction.
  const sortsAfter = conversationId > place.conversationId;
  if (newestFirst) return { ...query, toMs: sortsAfter ? place.serverTimeMs : place.serverTimeMs + 1 };
  return { ...query, fromMs: Math.max(fromMs, sortsAfter ? place.serverTimeMs : place.serverTimeMs + 1) };
};

/** The messages of all of a user's conversations, merged by server time. */
export class MergedMessages {
  readonly #options: MergedMessagesOptions;

  constructor(options: MergedMessagesOptions) {
    this.#options = options;
  }

  async read(query: MergedQuery): Promise<MergedPage> {
    const place = decodePlace(query.pageToken);
    const conversations = await this.#withMessages(query.userId);
    const limit = pLimit(CONCURRENCY);
    const found = await Promise.all(
      conversations.map((conversation) => limit(() => this.#readOne(conversation, query, place))),
    );
    const direction = query.newestFirst ? -1 : 1;
    const merged = found.flatMap(({ messages }) => messages).sort((a, b) => direction * comparePlaces(a, b));
    const messages = fitting(merged.slice(0, query.count));
    const last = messages.at(-1);
    const more = merged.length > messages.length || found.some((page) => page.more);
    return { messages, nextPageToken: more && last !== undefined ? encodePlace(last) : '' };
  }

  async #readOne(
    { conversationId, intervals }: UserConversation,
    query: MergedQuery,
    place: Place | undefined,
  ): Promise<{ messages: readonly StoredMessage[]; more: boolean }> {
    const messages: StoredMessage[] = [];
    let wanted = queryFor(conversationId, query, place);
    for (;;) {
      const page = await readVisible(this.#options.log, { ...wanted, limit: query.count - messages.length }, intervals);
      messages.push(...page.messages);
      const enough = messages.length >= query.count;
      if (!page.more || enough || page.coveredToSeq < page.coveredFromSeq)
        return { messages, more: page.more && enough };
      wanted = query.newestFirst
        ? { ...wanted, beforeSeq: page.coveredFromSeq }
        : { ...wanted, afterSeq: page.coveredToSeq };
    }
  }

  /** Most conversations hold nothing: what everybody has is not kept. */
  async #withMessages(userId: string): Promise<UserConversation[]> {
    const kept: UserConversation[] = [];
    let pageToken = '';
    let seen = 0;
    do {
      const page = await this.#options.conversations.ofUser({ userId, pageSize: PAGE, pageToken });
      const heads = await this.#options.log.heads(page.conversations.map(({ conversationId }) => conversationId));
      for (const conversation of page.conversations) {
        const head = heads.get(conversation.conversationId);
        if (head !== undefined && head.headSeq > head.floorSeq) kept.push(conversation);
      }
      seen += page.conversations.length;
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && seen < MAX_CONVERSATIONS);
    return kept;
  }
}
