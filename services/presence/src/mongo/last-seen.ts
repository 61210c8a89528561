import { declareCollection } from '@godwit/mongo/collection';
import { isDuplicateKey } from '@godwit/mongo/errors';
import type { Db } from 'mongodb';
import type { LastSeenStore } from '../domain/ports.js';

interface LastSeenDocument {
  userId: string;
  at: Date;
}

export const lastSeenCollection = declareCollection<LastSeenDocument>({
  name: 'last_seen',
  shardKey: { userId: 1 },
  indexes: [{ key: { userId: 1 }, unique: true }],
});

const BATCH = 1_000;

/** When users were last seen, in Mongo: one row a user, only ever raised. */
export const createLastSeenStore = (db: Db): LastSeenStore => {
  const collection = lastSeenCollection.in(db);
  const write = async (entries: readonly (readonly [string, number])[]): Promise<void> => {
    await collection.bulkWrite(
      entries.map(([userId, at]) => ({
        updateOne: { filter: { userId }, update: { $max: { at: new Date(at) } }, upsert: true },
      })),
      { ordered: false },
    );
  };
  return {
    raise: async (at) => {
      const entries = [...at];
      for (let from = 0; from < entries.length; from += BATCH) {
        const batch = entries.slice(from, from + BATCH);
        try {
          await write(batch);
        } catch (error) {
          if (!isDuplicateKey(error)) throw error;
          // Two replicas have upserted the same new user at once: now the row is there.
          await write(batch);
        }
      }
    },
    read: async (userIds) => {
      if (userIds.length === 0) return new Map();
      const rows = collection.find({ userId: { $in: [...userIds] } }, { projection: { _id: 0, userId: 1, at: 1 } });
      return new Map((await rows.toArray()).map(({ userId, at }) => [userId, at.getTime()]));
    },
  };
};
