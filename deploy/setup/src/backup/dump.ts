import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { storeProcesses } from '@godwit/message-store/mongo/collections';
import { connectMongo } from '@godwit/mongo/connect';
import type { Logger } from '@godwit/runtime/logger';
import { ReadConcernLevel, type ClientSession, type Db } from 'mongodb';
import { writeBsonFile } from './bson-file.js';
import { CONTENTS_FILE, fileOf, type Contents } from './contents.js';

export interface DumpPlan {
  readonly mongoUrl: string;
  readonly namespace: string;
  /** Made by this; it must not be there. */
  readonly folder: string;
}

/**
 * Writes down what the fleet keeps in MongoDB, all of one moment, while the fleet runs. MongoDB can look back five minutes
 * (`minSnapshotHistoryWindowInSeconds`): what takes longer is a job for its own tools.
 */
export const dump = async ({ mongoUrl, namespace, folder }: DumpPlan, logger: Logger): Promise<void> => {
  await mkdir(folder);
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'dump', logger, socketTimeoutMs: 0 });
  try {
    // What was acked before this is on a majority, so the snapshot has it.
    const { localTime } = await mongo.db.command({ hello: 1 });
    await using session = mongo.client.startSession({ snapshot: true });
    const documents: Record<string, number> = {};
    for (const name of await collectionsOf(mongo.db)) {
      documents[name] = await writeBsonFile(fileOf(folder, name), everythingIn(mongo.db, name, session));
    }
    const contents: Contents = { takenAt: (localTime as Date).toISOString(), documents };
    // Last: a folder without it is half a backup.
    await writeFile(path.join(folder, CONTENTS_FILE), `${JSON.stringify(contents, null, 2)}\n`, { flush: true });
    logger.info({ folder, ...contents }, 'written down');
  } finally {
    await mongo.close();
  }
};

const collectionsOf = async (db: Db): Promise<string[]> => {
  const found = await db.listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
  // Processes that run now are no business of the day of the restore.
  return found.map(({ name }) => name).filter((name) => !name.startsWith('system.') && name !== storeProcesses.name);
};

async function* everythingIn(db: Db, name: string, session: ClientSession): AsyncGenerator<Uint8Array> {
  // Said once more, because the driver prefers the read concern of the connection to that of the session.
  const options = { raw: true, session, readConcern: { level: ReadConcernLevel.snapshot } };
  for await (const document of db.collection(name).find({}, options)) yield document as unknown as Uint8Array;
}
