import { ACCOUNT_COLLECTIONS, signingKeys } from '@godwit/account/mongo/collections';
import { COLLECTIONS as GROUP_COLLECTIONS } from '@godwit/group/mongo/collections';
import {
  collections as STORE_COLLECTIONS,
  storeProcesses,
  storeRestores,
} from '@godwit/message-store/mongo/collections';
import { ensureIndexes, type DeclarationFields } from '@godwit/mongo/collection';
import { connectMongo } from '@godwit/mongo/connect';
import { lastSeenCollection } from '@godwit/presence/mongo/last-seen';
import { PUSH_COLLECTIONS } from '@godwit/push/mongo/collections';
import type { Logger } from '@godwit/runtime/logger';
import { shardCollections, type ClusterAdmin } from './shard-collections.js';

/** Everything the fleet keeps in MongoDB, as its owners declare it. */
export const FLEET_COLLECTIONS: readonly DeclarationFields[] = [
  ...STORE_COLLECTIONS,
  ...GROUP_COLLECTIONS,
  ...ACCOUNT_COLLECTIONS,
  ...PUSH_COLLECTIONS,
  lastSeenCollection,
];

/** A handful of rows each, read as a whole: they stay on the primary shard. */
const UNSHARDED = new Set([signingKeys.name, storeProcesses.name, storeRestores.name]);

export interface MongoPlan {
  readonly mongoUrl: string;
  readonly namespace: string;
  readonly chunks: number;
}

/** Indexes everywhere; on a sharded cluster also shard keys, and chunks for what is empty. */
export const prepareMongo = async ({ mongoUrl, namespace, chunks }: MongoPlan, logger: Logger): Promise<void> => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'setup', logger });
  try {
    await ensureIndexes(mongo.db, FLEET_COLLECTIONS);
    logger.info({ collections: FLEET_COLLECTIONS.length }, 'indexes are there');
    const hello = await mongo.db.admin().command({ hello: 1 });
    if (hello['msg'] !== 'isdbgrid') {
      logger.info('this is no sharded cluster: there are no shard keys to set');
      return;
    }
    const admin: ClusterAdmin = {
      command: (command) => mongo.client.db('admin').command(command),
      shardKeyOf: async (ns) => {
        const row = await mongo.client.db('config').collection<{ _id: string }>('collections').findOne({ _id: ns });
        return (row as { key?: Record<string, unknown> } | null)?.key;
      },
      isEmpty: async (name) => (await mongo.db.collection(name).findOne({}, { projection: { _id: 1 } })) === null,
    };
    const sharded = FLEET_COLLECTIONS.filter(({ name }) => !UNSHARDED.has(name));
    await shardCollections({ database: namespace, collections: sharded, chunks, admin, logger });
  } finally {
    await mongo.close();
  }
};
