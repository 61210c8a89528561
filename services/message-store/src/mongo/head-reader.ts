import type { Collection, Db, Document } from 'mongodb';
import type { Head } from '../domain/head-cache.js';
import type { ConversationRecord } from '../domain/message-log.js';
import { conversations, messages, type ConversationDocument, type MessageDocument } from './collections.js';
import { NEWEST_FIELDS, toHead, toRecord, type Newest } from './mapping.js';

const READ_TIMEOUT_MS = 3_000;
/** Up to so many conversations are asked one by one in parallel; more in one aggregation. */
const MAX_SINGLE = 2;

/** Heads by the log itself: the newest message and the stored record, both at majority. */
export class HeadReader {
  readonly #db: Db;
  readonly #messages: Collection<MessageDocument>;
  readonly #conversations: Collection<ConversationDocument>;

  constructor(db: Db) {
    this.#db = db;
    this.#messages = messages.in(db);
    this.#conversations = conversations.in(db);
  }

  async loadHeads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    const [newest, records] = await Promise.all([this.newestOf(conversationIds), this.records(conversationIds)]);
    return new Map(conversationIds.map((id) => [id, toHead(newest.get(id), records.get(id))]));
  }

  async records(conversationIds: readonly string[]): Promise<ReadonlyMap<string, ConversationRecord>> {
    const found = await this.#conversations
      .find(
        { conversationId: { $in: [...conversationIds] } },
        { projection: { _id: 0 }, maxTimeMS: READ_TIMEOUT_MS, batchSize: conversationIds.length + 1 },
      )
      .toArray();
    return new Map(found.map((document) => [document.conversationId, toRecord(document)]));
  }

  async newest(conversationId: string): Promise<Newest | undefined> {
    const found = await this.#messages.findOne<Newest>(
      { conversationId },
      { projection: NEWEST_FIELDS, sort: { seq: -1 }, maxTimeMS: READ_TIMEOUT_MS },
    );
    return found ?? undefined;
  }

  /** The lowest seq that was stored at or after this time, by conversation. */
  async firstSince(conversationIds: readonly string[], timeMs: number): Promise<ReadonlyMap<string, number>> {
    const found = await this.#oneOfEach(conversationIds, [
      { $match: { serverTime: { $gte: new Date(timeMs) } } },
      { $sort: { serverTime: 1, seq: 1 } },
    ]);
    return new Map(found.map(({ conversationId, seq }) => [conversationId, seq]));
  }

  /** By conversation; one without a message is left out. */
  async newestOf(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Newest>> {
    const found =
      conversationIds.length <= MAX_SINGLE
        ? await Promise.all(conversationIds.map((conversationId) => this.newest(conversationId)))
        : await this.#oneOfEach(conversationIds, [{ $sort: { seq: -1 } }]);
    return new Map(found.flatMap((newest) => (newest === undefined ? [] : [[newest.conversationId, newest]])));
  }

  /** The first message of each conversation as these stages have it: one lookup by the shard key for each. */
  async #oneOfEach(conversationIds: readonly string[], stages: readonly Document[]): Promise<Newest[]> {
    const found = await this.#db
      .aggregate<{ found: Newest[] }>(
        [
          { $documents: conversationIds.map((conversationId) => ({ conversationId })) },
          {
            $lookup: {
              from: messages.name,
              localField: 'conversationId',
              foreignField: 'conversationId',
              pipeline: [...stages, { $limit: 1 }, { $project: NEWEST_FIELDS }],
              as: 'found',
            },
          },
          { $project: { found: 1 } },
        ],
        { maxTimeMS: READ_TIMEOUT_MS, batchSize: conversationIds.length + 1 },
      )
      .toArray();
    return found.flatMap((row) => row.found);
  }
}
