import { formatHostPort, type NodeAddress } from '@godwit/ring/node-address';
import { retry } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { MongoClient, MongoServerError } from 'mongodb';

export interface ReplicaSetOptions {
  readonly mongoUrl: string;
  readonly members: readonly NodeAddress[];
  readonly logger: Logger;
}

// Pods that are being scheduled while images are pulled: some three minutes in all.
const PATIENCE = { attempts: 90, minMs: 500, maxMs: 4_000 };
const ALREADY_INITIALIZED = 23;
const ELECTION_TIMEOUT_MS = 3_000;

const nameOf = (mongoUrl: string): string => {
  const name = /[?&]replicaSet=([^&]+)/.exec(mongoUrl)?.[1];
  if (name === undefined) throw new RangeError('GODWIT_MONGO_URL must name its replicaSet');
  return name;
};

/** Initiates the replica set from its first member, unless it has been. */
export const initiateReplicaSet = async ({ mongoUrl, members, logger }: ReplicaSetOptions): Promise<void> => {
  const [first] = members;
  if (first === undefined) throw new RangeError('GODWIT_SETUP_MONGO_MEMBERS must name a member');
  const config = {
    _id: nameOf(mongoUrl),
    members: members.map((member, index) => ({ _id: index, host: formatHostPort(member) })),
    settings: { electionTimeoutMillis: ELECTION_TIMEOUT_MS },
  };
  const initiate = async (): Promise<boolean> => {
    const options = { directConnection: true, serverSelectionTimeoutMS: 3_000 };
    await using client = new MongoClient(`mongodb://${formatHostPort(first)}/`, options);
    return await isNewlyInitiated(client, config);
  };
  const made = await retry(initiate, {
    ...PATIENCE,
    onRetry: (error) => {
      logger.info({ reason: String(error) }, 'the members of the replica set do not answer yet');
    },
  });
  logger.info({ replicaSet: config._id, made }, made ? 'replica set initiated' : 'the replica set was there');
};

const isNewlyInitiated = async (client: MongoClient, config: object): Promise<boolean> => {
  try {
    await client.db('admin').command({ replSetInitiate: config });
    return true;
  } catch (error) {
    if (error instanceof MongoServerError && error.code === ALREADY_INITIALIZED) return false;
    throw error;
  }
};
