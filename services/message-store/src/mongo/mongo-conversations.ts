import type { AnyBulkWriteOperation, Collection, Db } from 'mongodb';
import type { Head } from '../domain/head-cache.js';
import type { GoneReason } from '../domain/message.js';
import type { ConversationRecord } from '../domain/message-log.js';
import type { ReapableMessage } from '../domain/plan-reaping.js';
import type { Floor, ReapStore, SeqRange } from '../domain/reaper.js';
import { TOMBSTONE_MS, type Retention } from '../domain/retention.js';
import { conversations, messages, type ConversationDocument, type MessageDocument } from './collections.js';
import { REAPABLE_FIELDS, toReapable } from './mapping.js';
import type { MongoLogReader } from './mongo-log-reader.js';

type StoredHead = Omit<Head, 'retention'>;

/** The `conversations` collection, and what the reaper does to `messages`. */
export class MongoConversations implements ReapStore {
  readonly #conversations: Collection<ConversationDocument>;
  readonly #messages: Collection<MessageDocument>;
  readonly #reader: MongoLogReader;

  constructor(db: Db, reader: MongoLogReader) {
    this.#conversations = conversations.in(db);
    this.#messages = messages.in(db);
    this.#reader = reader;
  }

  conversation(conversationId: string): Promise<ConversationRecord | undefined> {
    return this.#reader.conversation(conversationId);
  }

  newest(conversationId: string): Promise<StoredHead | undefined> {
    return this.#reader.newest(conversationId);
  }

  /** Raises stored heads after appends. */
  async raiseHeads(heads: ReadonlyMap<string, StoredHead>): Promise<void> {
    const raises = [...heads].map(([conversationId, head]): AnyBulkWriteOperation<ConversationDocument> => {
      const update = { $max: headFields(head), $set: { unreaped: true } };
      return { updateOne: { filter: { conversationId }, update, upsert: true } };
    });
    await this.#conversations.bulkWrite(raises, { ordered: false });
  }

  async raiseHead(conversationId: string, head: StoredHead): Promise<void> {
    await this.#conversations.updateOne({ conversationId }, { $max: headFields(head) }, { upsert: true });
  }

  async setRetention(conversationId: string, retention: Retention): Promise<void> {
    await this.#conversations.updateOne({ conversationId }, { $set: { ...retention } }, { upsert: true });
  }

  async reapable(conversationId: string, from: { seq: number; limit: number }): Promise<readonly ReapableMessage[]> {
    const found = await this.#messages
      .find(
        { conversationId, seq: { $gte: from.seq } },
        { projection: REAPABLE_FIELDS, sort: { seq: 1 }, limit: from.limit },
      )
      .toArray();
    return found.map(toReapable);
  }

  async expiredEarly(
    conversationId: string,
    by: { nowMs: number; limit: number },
  ): Promise<readonly ReapableMessage[]> {
    const found = await this.#messages
      .find(
        { conversationId, earlyExpiry: { $lte: new Date(by.nowMs) } },
        { projection: REAPABLE_FIELDS, sort: { earlyExpiry: 1 }, limit: by.limit },
      )
      .toArray();
    return found.map(toReapable).sort((a, b) => a.seq - b.seq);
  }

  async removePayloadsOf(conversationId: string, seqs: readonly number[], reason: GoneReason): Promise<void> {
    await this.#messages.updateMany(
      { conversationId, seq: { $in: [...seqs] }, goneReason: { $exists: false } },
      { $set: { goneReason: reason }, $unset: { envelope: true, earlyExpiry: true } },
    );
  }

  async raiseFloor(conversationId: string, { floorSeq, expiredSeq }: Floor): Promise<void> {
    await this.#conversations.updateOne({ conversationId }, { $max: { floorSeq, expiredSeq } }, { upsert: true });
  }

  async endTombstones(conversationId: string, { fromSeq, toSeq }: SeqRange): Promise<void> {
    await this.#messages.updateMany(
      { conversationId, seq: { $gte: fromSeq, $lte: toSeq }, purgeAt: { $exists: false } },
      [{ $set: { purgeAt: { $max: ['$$NOW', { $add: ['$serverTime', TOMBSTONE_MS] }] } } }],
    );
    await this.#conversations.updateOne({ conversationId }, { $max: { purgeSeq: toSeq } });
  }

  async markReaped(conversationId: string, headSeq: number): Promise<void> {
    // Whoever raises the head meanwhile marks it again.
    await this.#conversations.updateOne({ conversationId, headSeq, floorSeq: headSeq }, { $unset: { unreaped: true } });
  }

  /** An aggregation, because that is what the list of permitted scans names: see the README. */
  async candidates(afterConversationId: string, limit: number): Promise<readonly string[]> {
    const found = await this.#conversations
      .aggregate<{ conversationId: string }>([
        { $match: { unreaped: true, conversationId: { $gt: afterConversationId } } },
        { $sort: { conversationId: 1 } },
        { $limit: limit },
        { $project: { _id: 0, conversationId: 1 } },
      ])
      .toArray();
    return found.map(({ conversationId }) => conversationId);
  }
}

const headFields = ({ seq, membershipVersion, serverTimeMs }: StoredHead) => ({
  headSeq: seq,
  membershipVersion,
  serverTime: new Date(serverTimeMs),
});
