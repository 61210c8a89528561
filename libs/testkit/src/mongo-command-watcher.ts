import type { CommandStartedEvent, Document, MongoClient } from 'mongodb';

/** Shard key of each sharded collection, as DESIGN section 3 has them. */
export const SHARD_KEYS: Readonly<Record<string, readonly string[]>> = {
  messages: ['conversationId'],
  conversations: ['conversationId'],
  deliveries: ['conversationId', 'userId'],
  members: ['conversationId', 'userId'],
  groups: ['conversationId'],
  user_conversations: ['userId'],
  users: ['userId'],
  devices: ['userId'],
  contacts: ['userId'],
  blocks: ['userId'],
  push_tokens: ['userId'],
  push_outcomes: ['userId'],
  last_seen: ['userId'],
  store_processes: ['_id'],
  phones: ['_id'],
  usernames: ['_id'],
  api_keys: ['_id'],
  refresh_tokens: ['_id'],
  invites: ['_id'],
  media: ['_id'],
  verifications: ['_id'],
  verification_sends: ['_id'],
  tickets: ['_id'],
  imports: ['_id'],
};

export interface AllowedCommand {
  readonly collection: string;
  /** Name of the driver's command: `find`, `aggregate`, `update` ... */
  readonly command: string;
  /** For an aggregation: only one which begins with this stage. */
  readonly firstStage?: string;
  readonly reason: string;
}

/** What may ask every shard, and why. */
export const ALLOWED_UNTARGETED: readonly AllowedCommand[] = [
  {
    collection: 'messages',
    command: 'aggregate',
    firstStage: '$changeStream',
    reason: 'a peer reads the inserts of a dead process back from the oplog',
  },
  {
    collection: 'conversations',
    command: 'aggregate',
    firstStage: '$match',
    reason: 'the reaper pages through conversations with payloads in the order of the shard key',
  },
  { collection: 'store_processes', command: 'find', reason: 'a peer looks for dead processes; a handful of rows' },
];

export interface WatchOptions {
  /** Collections beside, or other keys than, those of the design. */
  readonly shardKeys?: Readonly<Record<string, readonly string[]>>;
  readonly allow?: readonly AllowedCommand[];
}

export interface MongoCommandWatch {
  readonly violations: readonly string[];
  /** Throws when a command was seen that a sharded cluster would have to ask every shard for. */
  assertTargeted(): void;
  stop(): void;
}

/**
 * Watches the commands of a client (made with `monitorCommands: true`) for reads, updates, inserts and deletes on a
 * sharded collection without its shard key. Call `assertTargeted()` in `afterEach` or at the end of the test.
 */
export function watchMongoCommands(client: MongoClient, options: WatchOptions = {}): MongoCommandWatch {
  if (client.options.monitorCommands !== true) {
    throw new Error('watchMongoCommands sees nothing: make the MongoClient with monitorCommands: true.');
  }
  const shardKeys = { ...SHARD_KEYS, ...options.shardKeys };
  const allowed = [...ALLOWED_UNTARGETED, ...(options.allow ?? [])];
  const violations: string[] = [];
  const onCommand = (event: CommandStartedEvent): void => {
    const complaint = complaintAbout(event.commandName, event.command, { shardKeys, allowed });
    if (complaint !== undefined) violations.push(complaint);
  };
  client.on('commandStarted', onCommand);
  return {
    violations,
    assertTargeted: () => {
      assertNone(violations);
    },
    stop: () => {
      client.off('commandStarted', onCommand);
    },
  };
}

export function assertNone(violations: readonly string[]): void {
  if (violations.length > 0)
    throw new Error(`Commands that a cluster would suffer from:\n- ${violations.join('\n- ')}`);
}

export interface TargetingRules {
  readonly shardKeys: Readonly<Record<string, readonly string[]>>;
  readonly allowed: readonly AllowedCommand[];
}

/** What is wrong with a command in the eyes of a sharded cluster, or undefined. */
export function complaintAbout(name: string, command: Document, rules: TargetingRules): string | undefined {
  const check = CHECKS[name];
  const collection: unknown = command[name];
  if (check === undefined || typeof collection !== 'string' || collection.startsWith('system.')) return undefined;
  if (rules.allowed.some((entry) => isAllowed(entry, { name, collection, command }))) return undefined;
  const key = rules.shardKeys[collection];
  if (key === undefined) return `${name} on ${collection}, whose shard key the watcher does not know (see shardKeys)`;
  if (name === 'find' && isUnhintedOr(command)) return `find on ${collection} with $or and without a hint`;
  if (check(command, key)) return undefined;
  return `${name} on ${collection} without {${key.join(', ')}}: ${JSON.stringify(subjectOf(command)).slice(0, 300)}`;
}

interface SeenCommand {
  readonly name: string;
  readonly collection: string;
  readonly command: Document;
}

function isAllowed(entry: AllowedCommand, seen: SeenCommand): boolean {
  if (entry.collection !== seen.collection || entry.command !== seen.name) return false;
  if (entry.firstStage === undefined) return true;
  const [stage] = listOf(seen.command['pipeline']);
  return stage !== undefined && entry.firstStage in stage;
}

type Check = (command: Document, key: readonly string[]) => boolean;

const CHECKS: Readonly<Partial<Record<string, Check>>> = {
  find: (command, key) => hasPrefix(command['filter'], key),
  count: (command, key) => hasPrefix(command['query'], key),
  distinct: (command, key) => hasPrefix(command['query'], key),
  aggregate: (command, key) => hasPrefix(listOf(command['pipeline'])[0]?.['$match'], key),
  findAndModify: (command, key) => hasWhole(command['query'], key),
  insert: (command, key) => listOf(command['documents']).every((document) => key.every((field) => field in document)),
  update: (command, key) =>
    listOf(command['updates']).every((update) =>
      update['multi'] === true && update['upsert'] !== true ? hasPrefix(update['q'], key) : hasWhole(update['q'], key),
    ),
  delete: (command, key) =>
    listOf(command['deletes']).every((one) =>
      one['limit'] === 1 ? hasWhole(one['q'], key) : hasPrefix(one['q'], key),
    ),
};

function listOf(value: unknown): readonly Document[] {
  return Array.isArray(value) ? (value as readonly Document[]) : [];
}

function subjectOf(command: Document): unknown {
  const parts = ['filter', 'query', 'pipeline', 'updates', 'deletes', 'documents'];
  return parts.map((part): unknown => command[part]).find((part) => part !== undefined) ?? {};
}

/** Reads and writes of many go to the shards that hold the given values of the key's first field. */
function hasPrefix(filter: unknown, key: readonly string[]): boolean {
  return key[0] !== undefined && pins(filter, key[0]);
}

/** A write of one document needs its whole key, or the cluster asks all shards who has it. */
function hasWhole(filter: unknown, key: readonly string[]): boolean {
  return key.every((field) => pins(filter, field));
}

/** Whether a filter only matches documents with one of finitely many given values of the field. */
function pins(filter: unknown, field: string): boolean {
  if (!isDocument(filter)) return false;
  if (field in filter && isGivenValue(filter[field])) return true;
  if (listOf(filter['$and']).some((part) => pins(part, field))) return true;
  const either = listOf(filter['$or']);
  return either.length > 0 && either.every((part) => pins(part, field));
}

function isGivenValue(condition: unknown): boolean {
  if (condition instanceof RegExp) return false;
  if (!isDocument(condition)) return condition !== undefined;
  const operators = Object.keys(condition).filter((name) => name.startsWith('$'));
  return operators.length === 0 || operators.includes('$eq') || operators.includes('$in');
}

/**
 * MongoDB plans each branch of an `$or` by itself and keeps to what it chose when all indexes were as good: a look at
 * one key of each of many conversations then reads the whole conversations.
 */
function isUnhintedOr({ filter, hint }: Document): boolean {
  return isDocument(filter) && Object.keys(filter).join() === '$or' && hint === undefined;
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
