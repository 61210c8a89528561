import type {
  CursorRaise as WireRaise,
  CursorStart,
  MarkMove as WireMove,
  MessageStoreServiceService,
} from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import type { NodePool } from '@godwit/rpc/node-pool';
import type {
  CursorQuery,
  CursorRaise,
  Head,
  LogPage,
  LogQuery,
  Mark,
  MarkMove,
  MarksPage,
  MarksQuery,
  MemberCursors,
  MembershipLogPage,
  MessageLog,
  MessageState,
  RaiseResult,
  Retention,
} from '../domain/ports.js';

const DEADLINE_MS = 5_000;
const ATTEMPT_MS = 1_000;
/** Raising waits until the store has merged and written. */
const RAISE_ATTEMPT_MS = 2_000;
/** Conversations or cursors that one call names at most. */
const CHUNK = 1_000;
const MARKS_PAGE = 1_000;

const BASE = { deadlineMs: DEADLINE_MS, attemptMs: ATTEMPT_MS, idempotent: true } as const;

/** The log behind the replicas of the message store. Every question goes to the owner, and to the next if that is away. */
export class StoreMessageLog implements MessageLog {
  readonly #pool: NodePool<MessageStoreServiceService>;
  readonly #onFailed: (error: unknown) => void;

  constructor(pool: NodePool<MessageStoreServiceService>, onFailed: (error: unknown) => void) {
    this.#pool = pool;
    this.#onFailed = onFailed;
  }

  read(query: LogQuery): Promise<LogPage> {
    return this.#pool.callOwner('getMessages', query, { ...BASE, key: query.conversationId });
  }

  async heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    const answers = await Promise.all(
      this.#chunks(conversationIds, (id) => id).map((ids) =>
        this.#pool.callOwner('getHeads', { conversationIds: ids }, { ...BASE, key: ids[0] ?? '' }),
      ),
    );
    return new Map(answers.flatMap(({ heads }) => heads).map((head) => [head.conversationId, head]));
  }

  async raiseCursors(raises: readonly CursorRaise[]): Promise<RaiseResult> {
    const results = await Promise.all(
      this.#chunks(raises, ({ conversationId }) => conversationId).map((chunk) => this.#raise(chunk)),
    );
    return {
      moves: results.flatMap(({ moves }) => moves),
      aboveHead: results.flatMap(({ aboveHead }) => aboveHead),
      failed: results.flatMap(({ failed }) => failed),
    };
  }

  async #raise(raises: WireRaise[]): Promise<RaiseResult> {
    try {
      const key = raises[0]?.conversationId ?? '';
      const answer = await this.#pool.callOwner(
        'raiseCursors',
        { raises },
        { ...BASE, attemptMs: RAISE_ATTEMPT_MS, key },
      );
      const aboveHead = answer.aboveHead.flatMap((index) => raises[index] ?? []);
      return { moves: answer.moves.flatMap(moveFrom), aboveHead, failed: [] };
    } catch (error) {
      this.#onFailed(error);
      return { moves: [], aboveHead: [], failed: raises };
    }
  }

  async cursors(queries: readonly CursorQuery[]): Promise<readonly ReadonlyMap<string, number>[]> {
    const found = queries.map(() => new Map<string, number>());
    const places = queries.flatMap(({ starts }, query) => starts.map((start) => ({ ...start, query })));
    const ask = async (asked: readonly CursorPlace[]): Promise<void> => {
      const byQuery = new Map<number, CursorStart[]>();
      for (const { query, ...start } of asked) {
        const starts = byQuery.get(query);
        if (starts === undefined) byQuery.set(query, [start]);
        else starts.push(start);
      }
      const devices = Array.from(byQuery, ([query, conversations]) => ({ ...deviceOf(queries[query]), conversations }));
      const key = asked[0]?.conversationId ?? '';
      const answer = await this.#pool.callOwner('getCursorsOfDevices', { devices }, { ...BASE, key });
      [...byQuery.keys()].forEach((query, index) => {
        for (const { conversationId, seq } of answer.devices[index]?.cursors ?? []) {
          found[query]?.set(conversationId, seq);
        }
      });
    };
    await Promise.all(this.#chunks(places, ({ conversationId }) => conversationId).map(ask));
    return found;
  }

  async marks(query: MarksQuery): Promise<MarksPage> {
    const request = { ...query, conversationIds: [...query.conversationIds], userIds: [...query.userIds] };
    return this.#pool.callOwner('getMarks', request, { ...BASE, key: query.conversationIds[0] ?? '' });
  }

  async *changedMarks(conversationIds: readonly string[], sinceMs: number): AsyncGenerator<readonly Mark[]> {
    for (const ids of this.#chunks(conversationIds, (id) => id)) {
      let pageToken = '';
      do {
        const page = await this.marks({
          conversationIds: ids,
          userIds: [],
          changedSinceMs: sinceMs,
          pageSize: MARKS_PAGE,
          pageToken,
        });
        yield page.marks;
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
    }
  }

  async messageState(conversationId: string, seq: number): Promise<MessageState | 'passed-over' | undefined> {
    const { state } = await this.#pool.callOwner(
      'getMessageState',
      { conversationId, seq },
      { ...BASE, key: conversationId },
    );
    if (state?.$case === 'passedOver') return 'passed-over';
    return state?.$case === 'found' ? state.value : undefined;
  }

  async memberCursors(conversationId: string, userIds: readonly string[]): Promise<readonly MemberCursors[]> {
    if (userIds.length === 0) return [];
    const request = { conversationId, userIds: [...userIds] };
    return (await this.#pool.callOwner('getMemberCursors', request, { ...BASE, key: conversationId })).members;
  }

  membershipLog(conversationId: string, afterVersion: number, limit: number): Promise<MembershipLogPage> {
    return this.#pool.callOwner(
      'getMembershipLog',
      { conversationId, afterVersion, limit },
      { ...BASE, key: conversationId },
    );
  }

  async setRetention(retention: Retention): Promise<void> {
    await this.#pool.callOwner('setRetention', { ...retention }, { ...BASE, key: retention.conversationId });
  }

  /** By the node that serves them, in pieces that one call may name. */
  #chunks<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
    const chunks: T[][] = [];
    for (const group of this.#pool.nodes.groupByNode(items, keyOf).values()) {
      for (let start = 0; start < group.length; start += CHUNK) chunks.push(group.slice(start, start + CHUNK));
    }
    return chunks;
  }
}

interface CursorPlace extends CursorStart {
  readonly query: number;
}

const deviceOf = (query: CursorQuery | undefined) => ({
  userId: query?.userId ?? '',
  deviceId: query?.deviceId ?? '',
  deviceSinceMs: query?.deviceSinceMs ?? 0,
});

const moveFrom = ({ mark, previousDeliveredSeq, previousReadSeq }: WireMove): MarkMove[] =>
  mark === undefined ? [] : [{ mark, previousDeliveredSeq, previousReadSeq }];
