import { parseConversation } from '@godwit/ids/conversation';
import { RECEIPT_MEMBERS, type ConversationView } from './conversation.js';
import type { Conversations } from './conversations.js';
import type { Edges, Notice } from './edges.js';
import { contains, isOpen } from './intervals.js';
import type { Mark, MarkMove, MessageLog, RelationQuery } from './ports.js';
import type { RecentMessages } from './recent-messages.js';
import type { Relations } from './relations.js';
import type { Sessions } from './sessions.js';

export interface ReceiptsOptions {
  readonly log: Pick<MessageLog, 'read'>;
  readonly conversations: Conversations;
  readonly relations: Relations;
  readonly sessions: Sessions;
  readonly edges: Edges;
  readonly recent: RecentMessages;
  readonly intervalMs: number;
  readonly onFailed: (error: unknown) => void;
}

/** Marks that moved, merged: everything above `after` is news. */
export interface Movement {
  readonly mark: Mark;
  readonly deliveredAfter: number;
  readonly readAfter: number;
}

const keyOf = ({ conversationId, userId }: Mark): string => `${conversationId} ${userId}`;
const MAX_WAITING = 50_000;
const READ_LIMIT = 256;

/** Two moves of the same marks as one. */
export const mergeMoves = (older: Movement | undefined, move: MarkMove): Movement => {
  const { mark, previousDeliveredSeq, previousReadSeq } = move;
  if (older === undefined) return { mark, deliveredAfter: previousDeliveredSeq, readAfter: previousReadSeq };
  return {
    mark: {
      ...mark,
      deliveredSeq: Math.max(older.mark.deliveredSeq, mark.deliveredSeq),
      readSeq: Math.max(older.mark.readSeq, mark.readSeq),
    },
    deliveredAfter: Math.min(older.deliveredAfter, previousDeliveredSeq),
    readAfter: Math.min(older.readAfter, previousReadSeq),
  };
};

/** Who is told of a movement. */
export interface Audience {
  readonly userId: string;
  readonly mark: Mark;
}

/** The senders get what their messages are marked with; a reader who hides its reads shows only that it has them. */
export const audienceOf = (
  { mark, deliveredAfter, readAfter }: Movement,
  senders: ReadonlySet<string>,
  showsReadsTo: (userId: string) => boolean,
): Audience[] => {
  const audience: Audience[] = [];
  const readMoved = mark.readSeq > readAfter;
  for (const userId of senders) {
    if (userId === mark.userId) continue;
    const shows = showsReadsTo(userId);
    if (shows) audience.push({ userId, mark });
    else if (mark.deliveredSeq > deliveredAfter) audience.push({ userId, mark: { ...mark, readSeq: 0 } });
  }
  // What one of its devices has read, the reader's others show as read.
  if (readMoved) audience.push({ userId: mark.userId, mark });
  return audience;
};

/** Marks that moved, on their way to the devices of those who sent what was marked. They may be lost: a sync repairs it. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  #waiting = new Map<string, Movement>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  moved(moves: readonly MarkMove[]): void {
    for (const move of moves) {
      const key = keyOf(move.mark);
      const older = this.#waiting.get(key);
      if (older === undefined && this.#waiting.size >= MAX_WAITING) continue;
      this.#waiting.set(key, mergeMoves(older, move));
    }
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#stopped || this.#timer !== undefined || this.#flushing !== undefined || this.#waiting.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const waiting = this.#waiting;
      this.#waiting = new Map();
      this.#flushing = this.#flush([...waiting.values()])
        .catch((error: unknown) => {
          this.#options.onFailed(error);
        })
        .finally(() => {
          this.#flushing = undefined;
          this.#arm();
        });
    }, this.#options.intervalMs);
  }

  async #flush(movements: readonly Movement[]): Promise<void> {
    const told = (await Promise.all(movements.map((movement) => this.#audience(movement)))).flat();
    const sessions = await this.#options.sessions.resolve([...new Set(told.map(({ userId }) => userId))]);
    for (const { userId, mark } of told) this.#notify(sessions.get(userId) ?? [], mark);
  }

  #notify(sessions: readonly { edgeId: string; edgeIncarnation: string; handle: number }[], mark: Mark): void {
    const notice: Notice = { type: 'receipt', mark, expiredSeq: 0 };
    for (const session of sessions) this.#options.edges.find(session)?.notify([session.handle], notice);
  }

  async #audience(movement: Movement): Promise<Audience[]> {
    const { userId } = movement.mark;
    const senders = await this.#senders(movement);
    if (senders === undefined) return [];
    const others = [...senders].filter((sender) => sender !== userId);
    const queries: RelationQuery[] = others.map((other) => ({ owner: userId, other }));
    const relations = await this.#options.relations.getAll(queries);
    // While it can't be known, reads stay hidden: they can be shown later, but not taken back.
    const shows = new Set(others.filter((_, index) => relations[index]?.showsReads === true));
    return audienceOf(movement, senders, (other) => shows.has(other));
  }

  /** Who sent what was marked, as far as they are told; undefined: there is no such conversation. */
  async #senders({ mark, deliveredAfter, readAfter }: Movement): Promise<ReadonlySet<string> | undefined> {
    const parsed = parseConversation(mark.conversationId);
    if (parsed?.kind === 'private') return new Set(parsed.users);
    const loaded = await this.#options.conversations.get(mark.conversationId);
    if (!loaded.found) return undefined;
    // In larger groups senders ask; the reader's own devices are told all the same.
    if (loaded.view.memberCount > RECEIPT_MEMBERS) return new Set();
    const after = Math.min(
      mark.deliveredSeq > deliveredAfter ? deliveredAfter : Infinity,
      mark.readSeq > readAfter ? readAfter : Infinity,
    );
    const upTo = Math.max(mark.deliveredSeq, mark.readSeq);
    return after < upTo ? this.#sendersWithin(loaded.view, after, upTo) : new Set();
  }

  async #sendersWithin(view: ConversationView, after: number, upTo: number): Promise<ReadonlySet<string>> {
    const { conversationId } = view;
    const senders = new Set<string>();
    let unknown = 0;
    for (let seq = upTo; seq > after && seq > upTo - READ_LIMIT; seq--) {
      const sender = this.#options.recent.sender(conversationId, seq);
      if (sender === undefined) unknown = seq;
      else senders.add(sender);
    }
    if (unknown > 0) {
      const range = { conversationId, afterSeq: unknown - 1, beforeSeq: upTo + 1, fromMs: 0, toMs: 0 };
      const page = await this.#options.log.read({ ...range, limit: READ_LIMIT, newestFirst: true });
      for (const { senderUserId } of page.messages) senders.add(senderUserId);
    }
    return new Set([...senders].filter((userId) => this.#isMember(view, userId)));
  }

  #isMember(view: ConversationView, userId: string): boolean {
    const intervals = view.members.get(userId)?.intervals ?? [];
    return isOpen(intervals) && contains(intervals, view.version);
  }
}
