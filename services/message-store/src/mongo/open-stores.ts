import { ensureIndexes } from '@godwit/mongo/collection';
import { connectMongo, type Mongo, type MongoOptions } from '@godwit/mongo/connect';
import type { Clock } from '@godwit/runtime/clock';
import { collections } from './collections.js';
import { HeadReader } from './head-reader.js';
import { LogClock } from './log-clock.js';
import { MongoAppendLog } from './mongo-append-log.js';
import { MongoConversations } from './mongo-conversations.js';
import { MongoCursors } from './mongo-cursors.js';
import { MongoLogReader } from './mongo-log-reader.js';
import { MongoProcesses } from './mongo-processes.js';
import { OplogHistory } from './oplog-history.js';
import { seqsPassedOver } from './skip-ahead.js';

/** All that this service keeps in MongoDB. */
export interface Stores {
  readonly mongo: Mongo;
  readonly logClock: LogClock;
  readonly heads: HeadReader;
  readonly appendLog: MongoAppendLog;
  readonly reader: MongoLogReader;
  readonly conversations: MongoConversations;
  readonly cursors: MongoCursors;
  readonly processes: MongoProcesses;
  readonly history: OplogHistory;
  /** The seq above which conversations begin. It changes only while no store runs. */
  readonly startsAbove: number;
}

export interface StoresOptions {
  readonly mongo: MongoOptions;
  readonly incarnation: string;
  readonly clock: Clock;
}

/** Connects, and makes collections and indexes where they are missing. */
export const openStores = async ({ mongo: options, incarnation, clock }: StoresOptions): Promise<Stores> => {
  const mongo = await connectMongo(options);
  const { client, db } = mongo;
  let startsAbove: number;
  try {
    await ensureIndexes(db, collections);
    startsAbove = await seqsPassedOver(db);
  } catch (error) {
    await mongo.close();
    throw error;
  }
  const logClock = new LogClock(client);
  const heads = new HeadReader(db);
  const reader = new MongoLogReader(db, heads);
  return {
    mongo,
    logClock,
    heads,
    appendLog: new MongoAppendLog({ db, clock: logClock, heads, incarnation }),
    reader,
    conversations: new MongoConversations(db, heads, startsAbove),
    cursors: new MongoCursors(db, heads, clock),
    processes: new MongoProcesses(db, logClock),
    history: new OplogHistory(db),
    startsAbove,
  };
};
