import type { Collection, Db } from 'mongodb';
import type { Head } from '../domain/head-cache.js';
import { KIND, type LoggedMessage, type MessagePlace } from '../domain/message.js';
import type { ConversationRecord, LogReader, LogScan } from '../domain/message-log.js';
import { messages, type MessageDocument } from './collections.js';
import type { HeadReader } from './head-reader.js';
import { LOGGED_FIELDS, toLogged, toStoredHead } from './mapping.js';

const READ_TIMEOUT_MS = 5_000;
const MAX_BATCH = 513;

export class MongoLogReader implements LogReader {
  readonly #messages: Collection<MessageDocument>;
  readonly #heads: HeadReader;

  constructor(db: Db, heads: HeadReader) {
    this.#messages = messages.in(db);
    this.#heads = heads;
  }

  async conversation(conversationId: string): Promise<ConversationRecord | undefined> {
    return (await this.#heads.records([conversationId])).get(conversationId);
  }

  async newest(conversationId: string): Promise<Omit<Head, 'retention'> | undefined> {
    return toStoredHead(await this.#heads.newest(conversationId));
  }

  async firstSince(conversationId: string, timeMs: number): Promise<number | undefined> {
    const found = await this.#messages.findOne(
      { conversationId, serverTime: { $gte: new Date(timeMs) } },
      { projection: { _id: 0, seq: 1 }, sort: { serverTime: 1, seq: 1 }, maxTimeMS: READ_TIMEOUT_MS },
    );
    return found?.seq;
  }

  async *scan({ conversationId, fromSeq, toSeq, newestFirst, expected }: LogScan): AsyncIterable<LoggedMessage> {
    const cursor = this.#messages.find(
      { conversationId, seq: { $gte: fromSeq, $lte: toSeq } },
      {
        projection: LOGGED_FIELDS,
        sort: { seq: newestFirst ? -1 : 1 },
        batchSize: Math.min(expected, MAX_BATCH),
        maxTimeMS: READ_TIMEOUT_MS,
      },
    );
    try {
      for await (const document of cursor) yield toLogged(document);
    } finally {
      await cursor.close();
    }
  }

  async membershipAfter({ conversationId, seq }: MessagePlace, limit: number): Promise<readonly LoggedMessage[]> {
    const found = await this.#messages
      .find(
        { conversationId, kind: KIND.membership, seq: { $gt: seq } },
        { projection: LOGGED_FIELDS, sort: { seq: 1 }, limit, maxTimeMS: READ_TIMEOUT_MS },
      )
      .toArray();
    return found.map(toLogged);
  }

  async message({ conversationId, seq }: MessagePlace): Promise<LoggedMessage | undefined> {
    const found = await this.#messages.findOne(
      { conversationId, seq },
      { projection: LOGGED_FIELDS, maxTimeMS: READ_TIMEOUT_MS },
    );
    return found === null ? undefined : toLogged(found);
  }
}
