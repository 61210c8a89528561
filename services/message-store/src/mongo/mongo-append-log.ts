import { within } from '@godwit/runtime/deferred';
import { MongoBulkWriteError, type Collection, type Db, type WriteError } from 'mongodb';
import type { Head } from '../domain/head-cache.js';
import {
  GONE,
  idKey,
  KIND,
  placeKey,
  type MessageId,
  type MessagePlace,
  type NumberedMessage,
  type StoredAck,
  type TargetMessage,
} from '../domain/message.js';
import type { AppendLog, InsertResult } from '../domain/message-log.js';
import { ID_INDEX, messages, SEQ_INDEX, type MessageDocument } from './collections.js';
import type { HeadReader } from './head-reader.js';
import type { LogClock } from './log-clock.js';
import { toDocument, toGoneReason, toStoredAck } from './mapping.js';

/** A majority that takes longer is "unknown". */
const WRITE_TIMEOUT_MS = 4_000;
/** The driver may wait for a primary, or on a dead socket, for longer than the lane has time. */
const INSERT_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 3_000;
const DUPLICATE_KEY = 11_000;

export interface MongoAppendLogOptions {
  readonly db: Db;
  readonly clock: LogClock;
  readonly heads: HeadReader;
  /** Incarnation of this process, stored with what it inserts. */
  readonly incarnation: string;
}

export class MongoAppendLog implements AppendLog {
  readonly #messages: Collection<MessageDocument>;
  readonly #options: MongoAppendLogOptions;

  constructor(options: MongoAppendLogOptions) {
    this.#messages = messages.in(options.db);
    this.#options = options;
  }

  loadHeads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    return this.#options.heads.loadHeads(conversationIds);
  }

  async findByIds(ids: readonly MessageId[]): Promise<ReadonlyMap<string, StoredAck>> {
    const found = await this.#messages
      .find(
        {
          $or: ids.map(({ conversationId, senderUserId, clientMessageId }) => {
            return { conversationId, senderId: senderUserId, clientMessageId };
          }),
        },
        { projection: ACK_FIELDS, maxTimeMS: READ_TIMEOUT_MS, batchSize: ids.length + 1, hint: ID_INDEX },
      )
      .toArray();
    return new Map(
      found.map((document) => [idKey({ ...document, senderUserId: document.senderId }), toStoredAck(document)]),
    );
  }

  async findTargets(places: readonly MessagePlace[]): Promise<ReadonlyMap<string, TargetMessage>> {
    const found = await this.#messages
      .find(
        { $or: places.map(({ conversationId, seq }) => ({ conversationId, seq })) },
        { projection: TARGET_FIELDS, maxTimeMS: READ_TIMEOUT_MS, batchSize: places.length + 1, hint: SEQ_INDEX },
      )
      .toArray();
    return new Map(
      found.map((document) => [
        placeKey(document),
        {
          senderUserId: document.senderId,
          kind: document.kind,
          serverTimeMs: document.serverTime.getTime(),
          gone: toGoneReason(document.goneReason),
        },
      ]),
    );
  }

  async removePayloads(places: readonly MessagePlace[]): Promise<void> {
    const removal = { $set: { goneReason: GONE.deleted }, $unset: { envelope: true, earlyExpiry: true } } as const;
    await this.#messages.bulkWrite(
      places.flatMap(({ conversationId, seq }) => [
        { updateOne: { filter: { conversationId, seq }, update: removal } },
        { updateMany: { filter: { conversationId, targetSeq: seq, kind: KIND.edit }, update: removal } },
      ]),
      { ordered: false, maxTimeMS: WRITE_TIMEOUT_MS },
    );
  }

  async insert(numbered: readonly NumberedMessage[]): Promise<InsertResult> {
    const { incarnation, clock } = this.#options;
    const documents = numbered.map((message) => toDocument(message, incarnation));
    const inserting = clock.noting((session) =>
      this.#messages.insertMany(documents, {
        ordered: true,
        session,
        maxTimeMS: WRITE_TIMEOUT_MS,
        writeConcern: { w: 'majority', journal: true, wtimeoutMS: WRITE_TIMEOUT_MS },
      }),
    );
    const settled = inserting.then((): InsertResult => ({ kind: 'stored' }), toFailure);
    return within(settled, INSERT_TIMEOUT_MS, (): InsertResult => {
      return { kind: 'uncertain', error: new Error('no answer to an insert in time') };
    });
  }
}

const ACK_FIELDS = {
  _id: 0,
  conversationId: 1,
  senderId: 1,
  clientMessageId: 1,
  seq: 1,
  serverTime: 1,
  membershipVersion: 1,
  bodyHash: 1,
} as const;

const TARGET_FIELDS = {
  _id: 0,
  conversationId: 1,
  seq: 1,
  senderId: 1,
  kind: 1,
  serverTime: 1,
  goneReason: 1,
} as const;

const toFailure = (error: unknown): InsertResult => {
  const first = error instanceof MongoBulkWriteError ? firstWriteError(error) : undefined;
  if (first?.code === DUPLICATE_KEY) {
    if (first.errmsg?.includes(` index: ${SEQ_INDEX} `) === true) return { kind: 'seq-taken', position: first.index };
    if (first.errmsg?.includes(` index: ${ID_INDEX} `) === true) return { kind: 'id-taken', position: first.index };
  }
  return { kind: 'uncertain', error };
};

const firstWriteError = ({ writeErrors }: MongoBulkWriteError): WriteError | undefined => [writeErrors].flat()[0];
