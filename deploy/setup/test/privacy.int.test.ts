import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { imports, users } from '@godwit/account/mongo/collections';
import { newId } from '@godwit/ids/id';
import { connectMongo, type Mongo } from '@godwit/mongo/connect';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eraseUser } from '../src/privacy/erase-user.js';
import { exportUser } from '../src/privacy/export-user.js';

const namespace = uniqueNamespace();
const { mongoUrl } = testServers();
let mongo: Mongo;

beforeAll(async () => {
  mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
});

afterAll(async () => {
  await mongo.db.dropDatabase();
  await mongo.close();
});

it('the id that another system gave a user is in the export, and goes with the account', async () => {
  const userId = newId();
  await mongo.db.collection(users.name).insertOne({ userId, displayName: 'Alice' });
  const rows = imports.in(mongo.db);
  await rows.insertMany([
    { _id: 'hr-4711', userId, deviceIds: [] },
    { _id: 'hr-4712', userId: newId(), deviceIds: [] },
  ]);
  const file = path.join(tmpdir(), `${namespace}.jsonl`);
  try {
    await exportUser({ mongoUrl, namespace, userId, file }, silentLogger);
    expect(await readFile(file, 'utf8')).toContain('"externalId":"hr-4711"');
  } finally {
    await rm(file, { force: true });
  }
  await eraseUser({ mongoUrl, namespace, userId }, silentLogger);
  expect(await rows.distinct('_id', {})).toEqual(['hr-4712']);
});
