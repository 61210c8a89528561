import { NO_HEAD, type Head, type HeadCache } from './head-cache.js';
import type { ConversationRecord } from './message-log.js';

/** Where a conversation stands, as far as readers ask. */
export interface HeadView extends Head {
  readonly conversationId: string;
  readonly floorSeq: number;
  readonly expiredSeq: number;
}

export interface HeadStore {
  /** Records of those that have one. */
  records(conversationIds: readonly string[]): Promise<ReadonlyMap<string, ConversationRecord>>;
  /** Heads by the log itself, of every asked conversation; one that doesn't exist has seq 0. */
  loadHeads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>>;
}

/**
 * Heads of many conversations. What this process appends to it knows; the stored record, raised within a second by
 * whoever appends, corrects it where another replica went on. What isn't known here is read from the log itself.
 */
export class ConversationHeads {
  readonly #cache: HeadCache;
  readonly #store: HeadStore;

  constructor(cache: HeadCache, store: HeadStore) {
    this.#cache = cache;
    this.#store = store;
  }

  /** Conversations without a message are left out. */
  async read(conversationIds: readonly string[]): Promise<HeadView[]> {
    const wanted = [...new Set(conversationIds)];
    if (wanted.length === 0) return [];
    const unknown = wanted.filter((conversationId) => this.#cache.peek(conversationId) === undefined);
    const [records, loaded] = await Promise.all([
      this.#store.records(wanted),
      unknown.length === 0 ? new Map<string, Head>() : this.#store.loadHeads(unknown),
    ]);
    return wanted
      .map((conversationId) => {
        const known = this.#cache.peek(conversationId) ?? loaded.get(conversationId) ?? NO_HEAD;
        return view(conversationId, known, records.get(conversationId));
      })
      .filter(({ seq }) => seq > 0);
  }

  /**
   * Of these seqs, those above the head: answered from memory where that suffices.
   * @returns the positions in `places`
   */
  async above(places: readonly { readonly conversationId: string; readonly seq: number }[]): Promise<Set<number>> {
    const doubtful = places.flatMap(({ conversationId, seq }, index) =>
      seq <= (this.#cache.peek(conversationId)?.seq ?? 0) ? [] : [index],
    );
    if (doubtful.length === 0) return new Set();
    const conversations = new Set(doubtful.flatMap((index) => places[index]?.conversationId ?? []));
    const heads = await this.#store.loadHeads([...conversations]);
    return new Set(
      doubtful.filter((index) => {
        const place = places[index];
        return place !== undefined && place.seq > (heads.get(place.conversationId)?.seq ?? 0);
      }),
    );
  }
}

const view = (conversationId: string, known: Head, record: ConversationRecord | undefined): HeadView => ({
  conversationId,
  seq: Math.max(known.seq, record?.headSeq ?? 0),
  membershipVersion: Math.max(known.membershipVersion, record?.membershipVersion ?? 0),
  serverTimeMs: Math.max(known.serverTimeMs, record?.serverTimeMs ?? 0),
  retention: record?.retention ?? known.retention,
  floorSeq: record?.floorSeq ?? 0,
  expiredSeq: record?.expiredSeq ?? 0,
});
