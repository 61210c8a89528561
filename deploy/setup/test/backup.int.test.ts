import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { Binary, BSON, Double, Int32, Long, type Document } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBsonFile } from '../src/backup/bson-file.js';
import { dump } from '../src/backup/dump.js';
import { restore } from '../src/backup/restore.js';
import { commandFrom, UsageError } from '../src/command.js';

const { mongoUrl } = testServers();

describe('a dump', () => {
  let mongo: Mongo;
  let home: string;
  let plan: Parameters<typeof restore>[0];

  beforeEach(async () => {
    const namespace = uniqueNamespace();
    mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
    home = await mkdtemp(path.join(tmpdir(), 'godwit-dump-'));
    plan = { mongoUrl, namespace, chunks: 8, folder: path.join(home, 'dump') };
  });
  afterEach(async () => {
    await mongo.db.dropDatabase();
    await mongo.close();
    await rm(home, { recursive: true });
  });

  /** As they are stored, types of numbers included. */
  const stored = (name: string): Promise<Document[]> =>
    mongo.db
      .collection(name)
      .find({}, { promoteValues: false, sort: { _id: 1 } })
      .toArray();

  it('brings back every document as it was, and the indexes', async () => {
    const odd = {
      whole: new Int32(7),
      fraction: new Double(7),
      large: Long.fromString('9007199254740993'),
      bytes: new Binary(Buffer.from('envelope')),
      nested: { at: new Date(), list: [null, true, 'x'] },
    };
    const many = Array.from({ length: 2_500 }, (_, index) => ({ ...odd, userId: `u${String(index)}` }));
    await mongo.db.collection('users').insertMany(many);
    await mongo.db.collection('store_processes').insertOne({ beat: 1 });
    const before = await stored('users');
    await dump(plan, silentLogger);
    await mongo.db.dropDatabase();
    await restore(plan, silentLogger);
    expect(await stored('users')).toEqual(before);
    expect(await stored('store_processes')).toEqual([]);
    expect((await mongo.db.collection('messages').indexes()).length).toBeGreaterThan(3);
  });

  it('shows one moment, whatever is written meanwhile', async () => {
    await mongo.db.collection('a').insertMany(Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x'.repeat(500) })));
    await mongo.db.collection('b').insertOne({ n: 0 });
    let done = false;
    const dumping = dump(plan, silentLogger).finally(() => {
      done = true;
    });
    // A pair is written into both, one after the other: no snapshot has more of the second.
    for (let n = 1; !done; n++) {
      await mongo.db.collection('a').insertOne({ pair: n });
      await mongo.db.collection('b').insertOne({ pair: n });
    }
    await dumping;
    const pairs = async (name: string): Promise<number> => {
      let count = 0;
      for await (const document of readBsonFile(path.join(plan.folder, `${name}.bson`))) {
        if ('pair' in BSON.deserialize(document)) count++;
      }
      return count;
    };
    const [a, b] = [await pairs('a'), await pairs('b')];
    expect(a - b).toBeGreaterThanOrEqual(0);
    expect(a - b).toBeLessThanOrEqual(1);
  });

  it('overwrites nothing: not a folder that is there, not a database that has documents', async () => {
    await mongo.db.collection('users').insertOne({ userId: 'u' });
    await dump(plan, silentLogger);
    await expect(dump(plan, silentLogger)).rejects.toThrow(/EEXIST/);
    await expect(restore(plan, silentLogger)).rejects.toThrow(/users has documents/);
  });

  it('that is incomplete is refused', async () => {
    await mongo.db.collection('users').insertMany([{ userId: 'u' }, { userId: 'v' }]);
    await dump(plan, silentLogger);
    const file = path.join(plan.folder, 'users.bson');
    const whole = await readFile(file);
    await mongo.db.dropDatabase();
    await truncate(file, whole.length - 3);
    await expect(restore(plan, silentLogger)).rejects.toThrow(/cut off/);
    await mongo.db.dropDatabase();
    await truncate(file, whole.readInt32LE(0));
    await expect(restore(plan, silentLogger)).rejects.toThrow(/1 documents instead of 2/);
    await writeFile(file, 'nonsense of some length');
    await mongo.db.dropDatabase();
    await expect(restore(plan, silentLogger)).rejects.toThrow(/no file of BSON/);
    await rm(path.join(plan.folder, 'contents.json'));
    await expect(restore(plan, silentLogger)).rejects.toThrow(/no complete dump/);
  });
});

describe('the command line', () => {
  it.each([
    [['dump']],
    [['restore', 'a', 'b']],
    [['remove', 'a']],
    [['prepare', 'a']],
    [['revoke-signing-keys', 'all']],
    [['export-user', 'alice', 'a']],
    [['export-user', 'a'.repeat(26)]],
    [['erase-user', 'alice']],
    [['skip-ahead', 'yesterday']],
    [['skip-ahead', '2026-11-30T04:00:00']],
  ])('%j is refused with the usage', (words) => {
    expect(() => commandFrom(words)).toThrow(UsageError);
  });

  it.each([
    [[]],
    [['dump', 'a']],
    [['restore', 'a']],
    [['skip-ahead', '2026-11-30T04:00:00+01:00']],
    [['export-user', 'a'.repeat(26), 'file']],
    [['erase-user', 'a'.repeat(26)]],
    [['revoke-signing-keys']],
  ])('%j is understood', (words) => {
    expect(commandFrom(words)).toBeTypeOf('function');
  });
});
