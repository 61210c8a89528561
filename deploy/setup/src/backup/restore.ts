import { requireNoStore, skipAhead } from '@godwit/message-store/mongo/skip-ahead';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import type { Logger } from '@godwit/runtime/logger';
import { BSON, type Db, type Document } from 'mongodb';
import { prepareMongo, type MongoPlan } from '../prepare-mongo.js';
import { readBsonFile } from './bson-file.js';
import { fileOf, readContents } from './contents.js';

const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 8_388_608;

/**
 * Fills an empty database from a dump and has every conversation go on above what devices have seen since. All services
 * must be stopped. What failed halfway is dropped and begun again.
 */
export const restore = async (plan: MongoPlan & { readonly folder: string }, logger: Logger): Promise<void> => {
  const { takenAt, documents } = await readContents(plan.folder);
  const mongo = await patientMongo(plan, logger);
  try {
    await requireNoStore(mongo.db);
    await requireEmpty(mongo.db, Object.keys(documents));
    await prepareMongo(plan, logger);
    for (const [name, expected] of Object.entries(documents)) {
      const count = await fill(mongo.db, name, readBsonFile(fileOf(plan.folder, name)));
      if (count !== expected) throw new Error(`${name} has ${String(count)} documents instead of ${String(expected)}`);
      logger.info({ collection: name, documents: count }, 'restored');
    }
    await goOnAbove(mongo.db, new Date(takenAt), logger);
  } finally {
    await mongo.close();
  }
};

/** After a restore by other tools: only what `restore` does last. `backupAt`: when that backup was taken, or before. */
export const skipAheadOf = async (
  { backupAt, ...plan }: Pick<MongoPlan, 'mongoUrl' | 'namespace'> & { readonly backupAt: Date },
  logger: Logger,
): Promise<void> => {
  const mongo = await patientMongo(plan, logger);
  try {
    await goOnAbove(mongo.db, backupAt, logger);
  } finally {
    await mongo.close();
  }
};

const patientMongo = (
  { mongoUrl, namespace }: Pick<MongoPlan, 'mongoUrl' | 'namespace'>,
  logger: Logger,
): Promise<Mongo> =>
  connectMongo({ url: mongoUrl, database: namespace, appName: 'restore', logger, socketTimeoutMs: 0 });

const goOnAbove = async (db: Db, backupAt: Date, logger: Logger): Promise<void> => {
  const { seqs, conversations } = await skipAhead(db, { backupAt, now: new Date() });
  logger.info({ backupAt, seqs, conversations }, 'the conversations go on above what devices have seen');
};

const requireEmpty = async (db: Db, collections: readonly string[]): Promise<void> => {
  for (const name of collections) {
    if ((await db.collection(name).findOne({}, { projection: { _id: 1 } })) === null) continue;
    throw new Error(`${name} has documents: a dump is restored into an empty database only`);
  }
};

const fill = async (db: Db, name: string, documents: AsyncIterable<Uint8Array>): Promise<number> => {
  let batch: Document[] = [];
  let bytes = 0;
  let count = 0;
  const write = async (): Promise<void> => {
    if (batch.length > 0) await db.collection(name).insertMany(batch, { ordered: false });
    count += batch.length;
    batch = [];
    bytes = 0;
  };
  for await (const document of documents) {
    // Without promotion every number keeps its type.
    batch.push(BSON.deserialize(document, { promoteValues: false }));
    bytes += document.length;
    if (batch.length >= MAX_DOCUMENTS || bytes >= MAX_BYTES) await write();
  }
  await write();
  return count;
};
