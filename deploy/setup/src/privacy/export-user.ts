import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { connectMongo } from '@godwit/mongo/connect';
import type { Logger } from '@godwit/runtime/logger';
import { BSON } from 'mongodb';
import { userRecords, type UserRecord } from './user-records.js';

export interface ExportPlan {
  readonly mongoUrl: string;
  readonly namespace: string;
  readonly userId: string;
  /** Made by this; it must not be there. */
  readonly file: string;
}

/** Writes down what is stored of a user, `{collection, document}` a line (MongoDB's Extended JSON). Changes nothing. */
export const exportUser = async ({ mongoUrl, namespace, userId, file }: ExportPlan, logger: Logger): Promise<void> => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'export-user', logger });
  const counts: Record<string, number> = {};
  const lines = async function* (records: AsyncIterable<UserRecord>): AsyncGenerator<string> {
    for await (const record of records) {
      counts[record.collection] = (counts[record.collection] ?? 0) + 1;
      yield `${BSON.EJSON.stringify(record, { relaxed: true })}\n`;
    }
  };
  try {
    // Nobody else on the machine reads it.
    await pipeline(
      lines(userRecords(mongo.db, userId)),
      createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true }),
    );
    logger.info({ file, documents: counts }, 'written down');
  } finally {
    await mongo.close();
  }
};
