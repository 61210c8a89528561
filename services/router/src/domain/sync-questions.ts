import { Gatherer } from '@godwit/runtime/gatherer';
import type {
  ConversationSource,
  CursorQuery,
  DeviceKey,
  DeviceSource,
  Head,
  LogPage,
  LogQuery,
  Mark,
  MessageLog,
  PageOf,
  UserConversation,
  UserConversationsPage,
} from './ports.js';
import { SharedReads } from './shared-reads.js';

export interface SyncQuestionsOptions {
  readonly log: Pick<MessageLog, 'heads' | 'cursors' | 'read' | 'changedMarks'>;
  readonly conversations: Pick<ConversationSource, 'ofUser' | 'ofUsers' | 'load'>;
  readonly devices: DeviceSource;
}

/** Syncs of a call: what their answers cause in one turn of the event loop is some milliseconds of work. */
const MAX_SYNCS = 64;
/** Conversations that a call names at most. */
const MAX_CONVERSATIONS = 1_000;
/** Members whose marks a call may find; a conversation with more of them is asked for alone, page by page. */
const MAX_MARKS = 2_000;
/** Syncs that heard of marks at about the same time hear of the same ones. */
const SINCE_STEP_MS = 30_000;

export interface MarksQuestion {
  /** With the number of their members. */
  readonly conversations: readonly { readonly conversationId: string; readonly memberCount: number }[];
  readonly sinceMs: number;
}

type MarksOf = ReadonlyMap<string, readonly Mark[]>;

/**
 * What syncs ask. When many devices come at a time, their questions go together: one call for some dozens of them, and
 * one read for those that lack the same messages.
 */
export class SyncQuestions {
  readonly #options: SyncQuestionsOptions;
  readonly #reads: SharedReads;
  readonly #heads: Gatherer<readonly string[], ReadonlyMap<string, Head>>;
  readonly #cursors: Gatherer<CursorQuery, ReadonlyMap<string, number>>;
  readonly #devices: Gatherer<DeviceKey, number>;
  readonly #ofUsers: Gatherer<string, readonly UserConversation[] | 'alone'>;
  readonly #marks: Gatherer<MarksQuestion, MarksOf>;

  constructor(options: SyncQuestionsOptions) {
    const { log, conversations, devices } = options;
    this.#options = options;
    this.#reads = new SharedReads(log);
    const many = { maxQuestions: MAX_SYNCS, maxSize: MAX_CONVERSATIONS };
    this.#heads = new Gatherer({
      ...many,
      name: 'heads of syncs',
      sizeOf: (ids) => ids.length,
      ask: async (asked) => {
        const found = await log.heads([...new Set(asked.flat())]);
        return asked.map(() => found);
      },
    });
    this.#cursors = new Gatherer({
      ...many,
      name: 'cursors of syncs',
      sizeOf: ({ starts }) => starts.length,
      ask: (queries) => log.cursors(queries),
    });
    this.#devices = new Gatherer({
      name: 'devices of syncs',
      maxQuestions: MAX_SYNCS,
      ask: async (keys) => {
        const found = await devices.registeredAt(keys);
        return keys.map(({ deviceId }) => found.get(deviceId) ?? 0);
      },
    });
    this.#ofUsers = new Gatherer({
      name: 'conversations of syncs',
      maxQuestions: MAX_SYNCS,
      ask: async (userIds) => {
        const found = await conversations.ofUsers([...new Set(userIds)]);
        return userIds.map((userId) => found.get(userId) ?? 'alone');
      },
    });
    this.#marks = new Gatherer({
      name: 'marks of syncs',
      maxQuestions: MAX_SYNCS,
      maxSize: MAX_MARKS,
      sizeOf: marksOf,
      ask: (questions) => this.#askMarks(questions),
    });
  }

  /** 0: it isn't known. */
  registeredAt(key: DeviceKey): Promise<number> {
    return this.#devices.ask(key);
  }

  async conversations(page: PageOf): Promise<UserConversationsPage> {
    const source = this.#options.conversations;
    if (page.pageToken !== '') return source.ofUser(page);
    const all = await this.#ofUsers.ask(page.userId);
    if (all === 'alone' || all.length > page.pageSize) return source.ofUser(page);
    return { conversations: all, nextPageToken: '' };
  }

  /** May have more than was asked. */
  heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    return this.#heads.ask(conversationIds);
  }

  cursors(query: CursorQuery): Promise<ReadonlyMap<string, number>> {
    return this.#cursors.ask(query);
  }

  /** The marks that changed, a few that did so shortly before too. */
  async *marks({ conversations, sinceMs }: MarksQuestion): AsyncGenerator<readonly Mark[]> {
    const since = sinceMs - (sinceMs % SINCE_STEP_MS);
    const question = { conversations, sinceMs: since };
    if (marksOf(question) > MAX_MARKS) {
      yield* this.#options.log.changedMarks(idsOf(question), since);
      return;
    }
    const found = await this.#marks.ask(question);
    yield conversations.flatMap(({ conversationId }) => found.get(conversationId) ?? []);
  }

  read(query: LogQuery): Promise<LogPage> {
    return this.#reads.read(query);
  }

  async #askMarks(questions: readonly MarksQuestion[]): Promise<MarksOf[]> {
    const bySince = new Map<number, Set<string>>();
    for (const question of questions) {
      const ids = bySince.get(question.sinceMs) ?? new Set();
      for (const id of idsOf(question)) ids.add(id);
      bySince.set(question.sinceMs, ids);
    }
    const found = new Map<number, MarksOf>();
    const ask = async ([sinceMs, ids]: [number, Set<string>]): Promise<void> => {
      const byConversation = new Map<string, Mark[]>();
      for await (const page of this.#options.log.changedMarks([...ids], sinceMs)) {
        for (const mark of page) {
          const marks = byConversation.get(mark.conversationId);
          if (marks === undefined) byConversation.set(mark.conversationId, [mark]);
          else marks.push(mark);
        }
      }
      found.set(sinceMs, byConversation);
    };
    await Promise.all([...bySince].map(ask));
    return questions.map(({ sinceMs }) => found.get(sinceMs) ?? new Map());
  }
}

const idsOf = ({ conversations }: MarksQuestion): string[] => conversations.map(({ conversationId }) => conversationId);

const marksOf = ({ conversations }: MarksQuestion): number =>
  conversations.reduce((sum, { memberCount }) => sum + memberCount, 0);
