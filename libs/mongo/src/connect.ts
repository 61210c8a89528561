import { MongoClient, type Db, type MongoClientOptions } from 'mongodb';
import { ConfigError } from '@godwit/runtime/config';
import { retry } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import type { Metrics } from '@godwit/telemetry/metrics';
import { observePool } from './observe-pool.js';

export interface MongoOptions {
  readonly url: string;
  readonly database: string;
  /** Shows in the server's log and `currentOp`. */
  readonly appName: string;
  readonly logger: Logger;
  /** Of the process that connects; without them nobody sees the pool. */
  readonly metrics?: Metrics;
  readonly signal?: AbortSignal;
  /** Connections at most (default 64). */
  readonly maxPoolSize?: number;
  /** How long a server may take for one command (default 15 s); 0: as long as it takes. */
  readonly socketTimeoutMs?: number;
  /** Publishes the driver's command events, for tests that watch them. */
  readonly monitorCommands?: boolean;
}

export interface Mongo {
  readonly client: MongoClient;
  readonly db: Db;
  /** True when the primary answers. */
  ping(): Promise<true | string>;
  close(): Promise<void>;
}

// A write that isn't on a majority in this time is "unknown", which whoever asked must treat as such.
const WRITE_TIMEOUT_MS = 10_000;
// Above the write timeout, so that a slow majority is told by the server and not by a cut connection.
const SOCKET_TIMEOUT_MS = 15_000;
const SERVER_SELECTION_MS = 5_000;
// About a minute in all: long enough for a replica set that is just being initiated.
const STARTUP = { attempts: 12, minMs: 200, maxMs: 2_000 };

/**
 * Connects with what an ack promises: writes acknowledged by a majority and journaled, reads at majority from the
 * primary. Binary fields are read as Buffer. Retries while the servers come up; throws when they don't.
 * @throws ConfigError for a URL that the driver can't read
 */
export const connectMongo = async (options: MongoOptions): Promise<Mongo> => {
  const client = createClient(options);
  if (options.metrics !== undefined) observePool(client, options.metrics);
  try {
    await retry(() => client.connect(), {
      ...STARTUP,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onRetry: (error) => {
        options.logger.warn({ err: error }, 'MongoDB (GODWIT_MONGO_URL) does not answer yet');
      },
    });
  } catch (error) {
    await client.close();
    throw error;
  }
  const db = client.db(options.database);
  return {
    client,
    db,
    ping: async () => {
      await db.command({ ping: 1 }, { timeoutMS: 1_000 });
      return true;
    },
    close: () => client.close(),
  };
};

const createClient = (options: MongoOptions): MongoClient => {
  try {
    return new MongoClient(options.url, clientOptions(options));
  } catch (error) {
    // The driver repeats the URL, in which there may be a password.
    const words = error instanceof Error ? error.message.replaceAll(options.url, 'the URL') : String(error);
    throw new ConfigError([{ variable: 'GODWIT_MONGO_URL', message: `can't be used: ${words}` }]);
  }
};

const clientOptions = ({
  appName,
  maxPoolSize = 64,
  socketTimeoutMs = SOCKET_TIMEOUT_MS,
  monitorCommands = false,
}: MongoOptions): MongoClientOptions => ({
  appName,
  maxPoolSize,
  monitorCommands,
  minPoolSize: 2,
  writeConcern: { w: 'majority', journal: true, wtimeoutMS: WRITE_TIMEOUT_MS },
  readConcern: { level: 'majority' },
  readPreference: 'primary',
  retryWrites: true,
  retryReads: true,
  serverSelectionTimeoutMS: SERVER_SELECTION_MS,
  connectTimeoutMS: SERVER_SELECTION_MS,
  socketTimeoutMS: socketTimeoutMs,
  waitQueueTimeoutMS: SERVER_SELECTION_MS,
  heartbeatFrequencyMS: 2_000,
  ignoreUndefined: true,
  promoteBuffers: true,
});
