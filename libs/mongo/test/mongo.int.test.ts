import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startMongo } from '@godwit/local-stack/servers/start-mongo';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import type { CommandStartedEvent } from 'mongodb';
import { afterEach, describe, expect, it } from 'vitest';
import { declareCollection, ensureIndexes } from '../src/collection.js';
import { connectMongo, type Mongo } from '../src/connect.js';
import { isDuplicateKey, isUncertain } from '../src/errors.js';

interface MessageDocument {
  conversationId: string;
  seq: number;
  envelope?: Uint8Array | undefined;
  purgeAt?: Date;
}

const messages = declareCollection<MessageDocument>({
  name: 'messages',
  shardKey: { conversationId: 1 },
  indexes: [
    { key: { conversationId: 1, seq: 1 }, unique: true },
    { key: { purgeAt: 1 }, expireAfterSeconds: 0 },
  ],
});
const lastSeen = declareCollection<{ userId: string }>({ name: 'last_seen', shardKey: { userId: 1 }, indexes: [] });

const open: Mongo[] = [];
const connect = async (url = testServers().mongoUrl): Promise<Mongo> => {
  const mongo = await connectMongo({
    url,
    database: uniqueNamespace(),
    appName: 'test',
    logger: silentLogger,
    monitorCommands: true,
  });
  open.push(mongo);
  return mongo;
};
afterEach(async () => {
  for (const mongo of open.splice(0)) {
    await mongo.db.dropDatabase().catch(() => undefined);
    await mongo.close();
  }
});

const failureOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('connectMongo', () => {
  it('writes to a journaled majority and reads at majority', async () => {
    const mongo = await connect();
    const seen: CommandStartedEvent[] = [];
    mongo.client.on('commandStarted', (event) => seen.push(event));
    await messages.in(mongo.db).insertOne({ conversationId: 'g:a', seq: 1 });
    await messages.in(mongo.db).findOne({ conversationId: 'g:a' });
    const command = (name: string) => seen.find(({ commandName }) => commandName === name)?.command;
    expect(command('insert')).toMatchObject({ writeConcern: { w: 'majority', j: true } });
    expect(command('find')).toMatchObject({ readConcern: { level: 'majority' } });
    expect(await mongo.ping()).toBe(true);
  });

  it('reads binary fields as bytes and leaves undefined ones away', async () => {
    const collection = messages.in((await connect()).db);
    await collection.insertMany([
      { conversationId: 'g:a', seq: 1, envelope: Buffer.from([1, 2, 3]) },
      { conversationId: 'g:a', seq: 2, envelope: undefined },
    ]);
    const [first, second] = await collection.find({ conversationId: 'g:a' }).sort({ seq: 1 }).toArray();
    expect(first?.envelope).toBeInstanceOf(Uint8Array);
    expect([...(first?.envelope ?? [])]).toEqual([1, 2, 3]);
    expect(Object.keys(second ?? {})).not.toContain('envelope');
  });
});

describe('ensureIndexes', () => {
  it('makes them, in several replicas at a time, and again', async () => {
    const mongo = await connect();
    await Promise.all([1, 2, 3].map(() => ensureIndexes(mongo.db, [messages, lastSeen])));
    await ensureIndexes(mongo.db, [messages, lastSeen]);
    const names = async (collection: string): Promise<unknown> =>
      (await mongo.db.collection(collection).indexes()).map(({ name, unique, expireAfterSeconds }) => ({
        name,
        unique,
        expireAfterSeconds,
      }));
    expect(await names('messages')).toEqual([
      { name: '_id_' },
      { name: 'conversationId_1_seq_1', unique: true },
      { name: 'purgeAt_1', expireAfterSeconds: 0 },
    ]);
    expect(await names('last_seen')).toEqual([{ name: '_id_' }, { name: 'userId_1' }]);
  });
});

describe('error classes, from a real server', () => {
  it('duplicate keys, alone and in a batch', async () => {
    const mongo = await connect();
    await ensureIndexes(mongo.db, [messages]);
    const collection = messages.in(mongo.db);
    const document = () => ({ conversationId: 'g:a', seq: 1 });
    await collection.insertOne(document());
    for (const error of [
      await failureOf(collection.insertOne(document())),
      await failureOf(collection.insertMany([{ conversationId: 'g:a', seq: 2 }, document()], { ordered: true })),
    ]) {
      expect([isDuplicateKey(error), isUncertain(error)]).toEqual([true, false]);
    }
  });
});

it('names the variable of a URL that the driver refuses, and shows no password', async () => {
  const refused = await failureOf(connect('mongodb://godwit:secret@127.0.0.1:27017/?replicaSett=rs0'));
  expect(refused).toMatchObject({ name: 'ConfigError', problems: [{ variable: 'GODWIT_MONGO_URL' }] });
  expect(String(refused)).toContain('replicasett');
  expect(String(refused)).not.toContain('secret');
});

describe('a replica set that loses its majority', () => {
  it('leaves writes uncertain, and takes them again when it is back', async () => {
    const watchdog = Watchdog.start();
    try {
      const dir = await mkdtemp(join(tmpdir(), 'godwit-mongo-'));
      watchdog.removeAtEnd(dir);
      const server = await startMongo({ dir, ports: await freePorts(3), watchdog });
      const mongo = await connect(server.url);
      const collection = messages.in(mongo.db);
      await collection.insertOne({ conversationId: 'g:a', seq: 1 });
      const primary = await server.primary();
      const secondaries = server.processes.filter((managed) => managed !== primary);
      for (const managed of secondaries) if (managed.pid !== undefined) process.kill(managed.pid, 'SIGSTOP');
      const error = await failureOf(
        collection.insertOne(
          { conversationId: 'g:a', seq: 2 },
          { writeConcern: { w: 'majority', journal: true, wtimeoutMS: 1_000 } },
        ),
      );
      expect([isUncertain(error), isDuplicateKey(error)]).toEqual([true, false]);
      for (const managed of secondaries) if (managed.pid !== undefined) process.kill(managed.pid, 'SIGCONT');
      await primary.kill();
      await waitFor(
        async () => {
          await collection.insertOne({ conversationId: 'g:b', seq: 1 });
          return true;
        },
        { timeoutMs: 25_000 },
      );
    } finally {
      for (const mongo of open.splice(0)) await mongo.close();
      await watchdog.close();
    }
  }, 90_000);
});
