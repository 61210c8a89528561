import { type Document, MongoClient } from 'mongodb';
import {
  ALLOWED_UNTARGETED,
  type AllowedCommand,
  assertNone,
  complaintAbout,
  SHARD_KEYS,
} from './mongo-command-watcher.js';

const PROFILE_BYTES = 256 * 1024 * 1024;

export interface ProfileWatchOptions {
  readonly mongoUrl: string;
  /** GODWIT_NAMESPACE of the fleet. */
  readonly database: string;
  readonly shardKeys?: Readonly<Record<string, readonly string[]>>;
  readonly allow?: readonly AllowedCommand[];
}

export interface MongoProfileWatch extends AsyncDisposable {
  /** How many operations of clients the server has noted so far. */
  seen(): Promise<number>;
  violations(): Promise<string[]>;
  /** Throws when any process of the fleet has sent a command that a cluster would have to ask every shard for. */
  assertTargeted(): Promise<void>;
}

/**
 * Has MongoDB's own profiler note every operation on a database, whichever process sends it: what
 * `watchMongoCommands` is for one client, this is for a whole fleet. Start it before the fleet. The profiler leaves the
 * documents of inserts out, so inserts are for the other watcher. Needs a replica set; a mongos has no profiler.
 */
export async function watchMongoProfile(options: ProfileWatchOptions): Promise<MongoProfileWatch> {
  const client = new MongoClient(options.mongoUrl);
  const database = client.db(options.database);
  await database.command({ profile: 0 });
  await database.dropCollection('system.profile');
  await database.createCollection('system.profile', { capped: true, size: PROFILE_BYTES });
  await database.command({ profile: 2 });
  const rules = {
    shardKeys: { ...SHARD_KEYS, ...options.shardKeys },
    allowed: [...ALLOWED_UNTARGETED, ...(options.allow ?? [])],
  };
  const profile = database.collection('system.profile');
  const ofClients = { ns: { $regex: `^${options.database}\\.`, $not: /\.system\./ } };
  const violations = async (): Promise<string[]> => {
    const found = new Set<string>();
    for await (const entry of profile.find(ofClients)) {
      const seen = asCommand(entry);
      const complaint = seen === undefined ? undefined : complaintAbout(seen.name, seen.command, rules);
      if (complaint !== undefined) found.add(`${complaint} (${String(entry['appName'] ?? 'unnamed client')})`);
    }
    return [...found];
  };
  return {
    seen: () => profile.countDocuments(ofClients),
    violations,
    assertTargeted: async () => {
      assertNone(await violations());
    },
    [Symbol.asyncDispose]: async () => {
      await database.command({ profile: 0 });
      await client.close();
    },
  };
}

interface SeenCommand {
  readonly name: string;
  readonly command: Document;
}

/** An entry of the profiler as the command that the driver sent: updates and removes are noted one by one. */
function asCommand(entry: Document): SeenCommand | undefined {
  const command = entry['command'] as Document | undefined;
  const collection = String(entry['ns']).split('.').slice(1).join('.');
  if (command === undefined || '$truncated' in command) return undefined;
  switch (entry['op']) {
    case 'update':
      return { name: 'update', command: { update: collection, updates: [command] } };
    case 'remove':
      return { name: 'delete', command: { delete: collection, deletes: [command] } };
    case 'query':
    case 'command': {
      const name = Object.keys(command)[0] ?? '';
      // The server writes this one in lower case.
      if (name.toLowerCase() !== 'findandmodify') return { name, command };
      return { name: 'findAndModify', command: { ...command, findAndModify: collection } };
    }
    default:
      return undefined;
  }
}
