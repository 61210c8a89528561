import { Gatherer } from '@godwit/runtime/gatherer';
import type { AnyBulkWriteOperation, Collection, Db, Document } from 'mongodb';
import type { Head } from '../domain/head-cache.js';
import type { GoneReason } from '../domain/message.js';
import type { ConversationRecord, SeqRange } from '../domain/message-log.js';
import type { ReapableMessage } from '../domain/plan-reaping.js';
import type { Floor, ReapStore } from '../domain/reaper.js';
import { TOMBSTONE_MS, type Retention } from '../domain/retention.js';
import { conversations, messages, SEQ_INDEX, type ConversationDocument, type MessageDocument } from './collections.js';
import { REAPABLE_FIELDS, toReapable, toStoredHead } from './mapping.js';
import type { HeadReader } from './head-reader.js';

type StoredHead = Omit<Head, 'retention'>;

/** Conversations of one command. */
const MAX_TOGETHER = 64;
/** Those whose messages are read: each with as many as the reaper takes at a time, at worst. */
const MAX_WINDOWS = 16;

interface Window {
  readonly conversationId: string;
  readonly seq: number;
  readonly limit: number;
}

type ConversationWrite = AnyBulkWriteOperation<ConversationDocument>;
type MessageWrite = AnyBulkWriteOperation<MessageDocument>;

/**
 * The `conversations` collection, and what the reaper does to `messages`. It visits many conversations side by side, and
 * what it asks and writes for them in the same step is one command.
 */
export class MongoConversations implements ReapStore {
  readonly #conversations: Collection<ConversationDocument>;
  readonly #messages: Collection<MessageDocument>;
  /** What a record begins with. */
  readonly #beginning: Partial<ConversationDocument>;
  readonly #records: Gatherer<string, ConversationRecord | undefined>;
  readonly #newest: Gatherer<string, StoredHead | undefined>;
  readonly #windows: Gatherer<Window, readonly ReapableMessage[]>;
  readonly #early: Gatherer<{ conversationId: string; nowMs: number; limit: number }, readonly ReapableMessage[]>;
  readonly #messageWrites: Gatherer<MessageWrite, void>;
  readonly #conversationWrites: Gatherer<ConversationWrite, void>;

  /** `startsAbove`: conversations that have no record yet begin above this seq. */
  constructor(db: Db, heads: HeadReader, startsAbove: number) {
    const together = { maxQuestions: MAX_TOGETHER };
    this.#conversations = conversations.in(db);
    this.#messages = messages.in(db);
    this.#beginning = startsAbove > 0 ? { floorSeq: startsAbove, purgeSeq: startsAbove, expiredSeq: startsAbove } : {};
    this.#records = new Gatherer({
      ...together,
      name: 'records to reap',
      ask: async (ids) => {
        const records = await heads.records(ids);
        return ids.map((id) => records.get(id));
      },
    });
    this.#newest = new Gatherer({
      ...together,
      name: 'heads to reap',
      ask: async (ids) => {
        const newest = await heads.newestOf(ids);
        return ids.map((id) => toStoredHead(newest.get(id)));
      },
    });
    this.#windows = new Gatherer({
      name: 'messages to reap',
      maxQuestions: MAX_WINDOWS,
      ask: (windows) => this.#readWindows(windows),
    });
    this.#early = new Gatherer({ ...together, name: 'early expiries', ask: (asked) => this.#readEarly(asked) });
    this.#messageWrites = writesTo(this.#messages, 'payloads to remove');
    this.#conversationWrites = writesTo(this.#conversations, 'floors to raise');
  }

  conversation(conversationId: string): Promise<ConversationRecord | undefined> {
    return this.#records.ask(conversationId);
  }

  newest(conversationId: string): Promise<StoredHead | undefined> {
    return this.#newest.ask(conversationId);
  }

  /** Raises stored heads after appends. */
  async raiseHeads(heads: ReadonlyMap<string, StoredHead>): Promise<void> {
    const raises = [...heads].map(([conversationId, head]): AnyBulkWriteOperation<ConversationDocument> => {
      const update = { $max: headFields(head), $set: { unreaped: true }, $setOnInsert: this.#beginning };
      return { updateOne: { filter: { conversationId }, update, upsert: true } };
    });
    await this.#conversations.bulkWrite(raises, { ordered: false });
  }

  async raiseHead(conversationId: string, head: StoredHead): Promise<void> {
    await this.#conversationWrites.ask({
      updateOne: {
        filter: { conversationId },
        update: { $max: headFields(head), $setOnInsert: this.#beginning },
        upsert: true,
      },
    });
  }

  async setRetention(conversationId: string, retention: Retention): Promise<void> {
    const update = { $set: { ...retention }, $setOnInsert: this.#beginning };
    await this.#conversations.updateOne({ conversationId }, update, { upsert: true });
  }

  reapable(conversationId: string, from: { seq: number; limit: number }): Promise<readonly ReapableMessage[]> {
    return this.#windows.ask({ conversationId, ...from });
  }

  async expiredEarly(
    conversationId: string,
    by: { nowMs: number; limit: number },
  ): Promise<readonly ReapableMessage[]> {
    return this.#early.ask({ conversationId, ...by });
  }

  async removePayloadsOf(conversationId: string, seqs: readonly number[], reason: GoneReason): Promise<void> {
    const filter = { conversationId, seq: { $in: [...seqs] }, goneReason: { $exists: false } };
    const update = { $set: { goneReason: reason }, $unset: { envelope: true, earlyExpiry: true } } as const;
    await this.#messageWrites.ask({ updateMany: { filter, update } });
  }

  async raiseFloor(conversationId: string, { floorSeq, expiredSeq }: Floor): Promise<void> {
    await this.#raise(conversationId, { floorSeq, expiredSeq });
  }

  async endTombstones(conversationId: string, { fromSeq, toSeq }: SeqRange): Promise<void> {
    const filter = { conversationId, seq: { $gte: fromSeq, $lte: toSeq }, purgeAt: { $exists: false } };
    const update = [{ $set: { purgeAt: { $max: ['$$NOW', { $add: ['$serverTime', TOMBSTONE_MS] }] } } }];
    await this.#messageWrites.ask({ updateMany: { filter, update } });
    await this.#raise(conversationId, { purgeSeq: toSeq });
  }

  async markReaped(conversationId: string, headSeq: number): Promise<void> {
    // Whoever raises the head meanwhile marks it again.
    const filter = { conversationId, headSeq, floorSeq: headSeq };
    await this.#conversationWrites.ask({ updateOne: { filter, update: { $unset: { unreaped: true } } } });
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

  async #raise(conversationId: string, fields: Partial<ConversationDocument>): Promise<void> {
    await this.#conversationWrites.ask({ updateOne: { filter: { conversationId }, update: { $max: fields } } });
  }

  /** Up to the seq that would be the last of the window, which is dense. */
  async #readWindows(windows: readonly Window[]): Promise<(readonly ReapableMessage[])[]> {
    const found = await this.#messages
      .find(
        {
          $or: windows.map(({ conversationId, seq, limit }) => {
            return { conversationId, seq: { $gte: seq, $lt: seq + limit } };
          }),
        },
        { projection: REAPABLE_FIELDS, sort: { conversationId: 1, seq: 1 }, hint: SEQ_INDEX },
      )
      .toArray();
    return byConversation(windows, found);
  }

  /** What does not fit in is found by a later visit. */
  async #readEarly(
    asked: readonly { conversationId: string; nowMs: number; limit: number }[],
  ): Promise<(readonly ReapableMessage[])[]> {
    const found = await this.#messages
      .find(
        {
          conversationId: { $in: asked.map(({ conversationId }) => conversationId) },
          earlyExpiry: { $lte: new Date(Math.max(...asked.map(({ nowMs }) => nowMs))) },
        },
        {
          projection: REAPABLE_FIELDS,
          sort: { conversationId: 1, earlyExpiry: 1 },
          limit: Math.max(...asked.map(({ limit }) => limit)) * MAX_WINDOWS,
        },
      )
      .toArray();
    return byConversation(asked, found).map((messages) => [...messages].sort((a, b) => a.seq - b.seq));
  }
}

const writesTo = <T extends Document>(collection: Collection<T>, name: string) =>
  new Gatherer<AnyBulkWriteOperation<T>, void>({
    name,
    maxQuestions: MAX_TOGETHER,
    ask: async (writes) => {
      await collection.bulkWrite([...writes], { ordered: false });
      return writes.map(() => undefined);
    },
  });

const byConversation = (
  asked: readonly { conversationId: string }[],
  found: readonly MessageDocument[],
): (readonly ReapableMessage[])[] => {
  const messages = new Map<string, ReapableMessage[]>();
  for (const { conversationId } of asked) messages.set(conversationId, []);
  for (const document of found) messages.get(document.conversationId)?.push(toReapable(document));
  return asked.map(({ conversationId }) => messages.get(conversationId) ?? []);
};

const headFields = ({ seq, membershipVersion, serverTimeMs }: StoredHead) => ({
  headSeq: seq,
  membershipVersion,
  serverTime: new Date(serverTimeMs),
});
