import { isDuplicateKey } from '@godwit/mongo/errors';
import type { Clock } from '@godwit/runtime/clock';
import { Gatherer } from '@godwit/runtime/gatherer';
import type { AnyBulkWriteOperation, Collection, Db, Filter } from 'mongodb';
import {
  memberKey,
  type CursorStore,
  type Mark,
  type MarksQuery,
  type MemberCursors,
  type MemberKey,
  type MemberRaise,
} from '../domain/cursors.js';
import { deliveries, type DeliveryDocument } from './collections.js';
import type { HeadReader } from './head-reader.js';

const READ_TIMEOUT_MS = 5_000;
const AT_STEP_MS = 30_000;
/** Members that one query names at most; a conversation with more has one of its own. */
const MAX_TOGETHER = 256;
const MARK_FIELDS = { _id: 0, conversationId: 1, userId: 1, high: 1, read: 1 } as const;
const CURSOR_FIELDS = { ...MARK_FIELDS, delivered: 1 } as const;

export class MongoCursors implements CursorStore {
  readonly #deliveries: Collection<DeliveryDocument>;
  readonly #heads: HeadReader;
  readonly #clock: Clock;
  readonly #members: Gatherer<readonly MemberKey[], ReadonlyMap<string, MemberCursors>>;

  constructor(db: Db, heads: HeadReader, clock: Clock) {
    this.#deliveries = deliveries.in(db);
    this.#heads = heads;
    this.#clock = clock;
    this.#members = new Gatherer({
      name: 'cursors of members',
      maxQuestions: MAX_TOGETHER,
      maxSize: MAX_TOGETHER,
      sizeOf: (members) => members.length,
      ask: async (asked) => {
        const found = await this.cursorsOf(asked.flat());
        return asked.map(() => found);
      },
    });
  }

  async marksOf(members: readonly MemberKey[]): Promise<ReadonlyMap<string, Mark>> {
    const found = await this.#deliveries
      .find(filterOf(members), { projection: MARK_FIELDS, maxTimeMS: READ_TIMEOUT_MS, batchSize: members.length + 1 })
      .toArray();
    return new Map(found.map((document) => [memberKey(document), toMark(document)]));
  }

  async raise(raises: readonly MemberRaise[]): Promise<void> {
    // Rounded up, so that an index entry moves once in a while and not with every ack: who asks for what has changed since
    // a time hears of a little more.
    const at = new Date(Math.ceil(this.#clock.now() / AT_STEP_MS) * AT_STEP_MS);
    await this.#write(
      raises.map(({ conversationId, userId, delivered, readSeq }) => ({
        updateOne: {
          filter: { conversationId, userId },
          update: {
            $max: {
              ...cursorFields(delivered),
              high: Math.max(readSeq, ...delivered.values()),
              ...(readSeq > 0 ? { read: readSeq } : undefined),
              at,
            },
          },
          upsert: true,
        },
      })),
    );
  }

  async create(
    { userId, deviceId }: { userId: string; deviceId: string },
    starts: ReadonlyMap<string, number>,
  ): Promise<void> {
    await this.#write(
      [...starts].map(([conversationId, seq]) => ({
        updateOne: {
          filter: { conversationId, userId },
          update: { $max: { [`delivered.${deviceId}`]: seq } },
          upsert: true,
        },
      })),
    );
  }

  async cursorsOf(members: readonly MemberKey[]): Promise<ReadonlyMap<string, MemberCursors>> {
    const found = await this.#cursors(filterOf(members));
    return new Map(found.map((cursors) => [memberKey(cursors), cursors]));
  }

  async cursorsIn(conversationId: string, userIds: readonly string[]): Promise<readonly MemberCursors[]> {
    if (userIds.length > MAX_TOGETHER) return this.#cursors({ conversationId, userId: { $in: [...userIds] } });
    const members = userIds.map((userId) => ({ conversationId, userId }));
    const found = await this.#members.ask(members);
    return members.flatMap((member) => found.get(memberKey(member)) ?? []);
  }

  firstSince(conversationIds: readonly string[], timeMs: number): Promise<ReadonlyMap<string, number>> {
    return this.#heads.firstSince(conversationIds, timeMs);
  }

  async marks(query: MarksQuery): Promise<readonly Mark[]> {
    const found = await this.#deliveries
      .find(marksFilter(query), {
        projection: MARK_FIELDS,
        sort: { conversationId: 1, userId: 1 },
        limit: query.pageSize,
        batchSize: query.pageSize + 1,
        maxTimeMS: READ_TIMEOUT_MS,
        // What changed is little; ordering it costs less than reading all members.
        hint: query.changedSinceMs > 0 ? { conversationId: 1, at: 1 } : { conversationId: 1, userId: 1 },
      })
      .toArray();
    return found.map(toMark);
  }

  async #cursors(filter: Filter<DeliveryDocument>): Promise<readonly MemberCursors[]> {
    const found = await this.#deliveries
      .find(filter, { projection: CURSOR_FIELDS, maxTimeMS: READ_TIMEOUT_MS, batchSize: 1_001 })
      .toArray();
    return found.map(({ conversationId, userId, delivered = {}, high = 0, read = 0 }) => ({
      conversationId,
      userId,
      delivered: new Map(Object.entries(delivered)),
      highSeq: high,
      readSeq: read,
    }));
  }

  /** Only raises, so that doing it twice is doing it once. */
  async #write(operations: AnyBulkWriteOperation<DeliveryDocument>[]): Promise<void> {
    try {
      await this.#deliveries.bulkWrite(operations, { ordered: false });
    } catch (error) {
      // Two replicas made the same member's document at once: now it is there.
      if (!isDuplicateKey(error)) throw error;
      await this.#deliveries.bulkWrite(operations, { ordered: false });
    }
  }
}

/**
 * A little more than was asked, where one of these users is in another of these conversations; a branch for each
 * conversation would cost the planner more than those.
 */
const filterOf = (members: readonly MemberKey[]): Filter<DeliveryDocument> => ({
  conversationId: { $in: [...new Set(members.map(({ conversationId }) => conversationId))] },
  userId: { $in: [...new Set(members.map(({ userId }) => userId))] },
});

const cursorFields = (delivered: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...delivered].map(([deviceId, seq]) => [`delivered.${deviceId}`, seq]));

const toMark = ({ conversationId, userId, high = 0, read = 0 }: DeliveryDocument): Mark => ({
  conversationId,
  userId,
  deliveredSeq: high,
  readSeq: read,
});

const marksFilter = ({ conversationIds, userIds, changedSinceMs, after }: MarksQuery): Filter<DeliveryDocument> => {
  const common: Filter<DeliveryDocument> = {
    ...(userIds.length > 0 ? { userId: { $in: [...userIds] } } : undefined),
    ...(changedSinceMs > 0 ? { at: { $gte: new Date(changedSinceMs) } } : undefined),
  };
  if (after === undefined) return { ...common, conversationId: { $in: [...conversationIds] } };
  const later = conversationIds.filter((conversationId) => conversationId > after.conversationId);
  return {
    $or: [
      { $and: [{ conversationId: after.conversationId, userId: { $gt: after.userId } }, common] },
      { ...common, conversationId: { $in: later } },
    ],
  };
};
