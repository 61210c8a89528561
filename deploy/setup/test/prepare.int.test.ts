import { signingKeys } from '@godwit/account/mongo/collections';
import { connectMongo } from '@godwit/mongo/connect';
import { silentLogger } from '@godwit/runtime/logger';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, describe, expect, it } from 'vitest';
import { FLEET_COLLECTIONS, prepareMongo } from '../src/prepare-mongo.js';
import { prepareStreams } from '../src/prepare-streams.js';
import { formRedisCluster } from '../src/redis-cluster.js';
import { initiateReplicaSet } from '../src/replica-set.js';
import { revokeSigningKeys } from '../src/revoke-signing-keys.js';

const namespace = uniqueNamespace();
const { mongoUrl, natsUrl, redisUrl } = testServers();
const plan = { mongoUrl, natsUrl, redisUrl, namespace, natsStreamReplicas: 1, chunks: 8 };

afterAll(async () => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
  await mongo.db.dropDatabase();
  await mongo.close();
  const nats = await connect({ servers: natsUrl });
  const manager = await jetstreamManager(nats);
  for (const name of ['PUSH', 'ACCOUNT', 'GROUP', 'EVENTS']) await manager.streams.delete(`${namespace}_${name}`);
  await nats.close();
});

describe('preparing the stores, twice', () => {
  it('makes every index once', async () => {
    await prepareMongo(plan, silentLogger);
    await prepareMongo(plan, silentLogger);
    const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
    try {
      const names = (await mongo.db.listCollections().toArray()).map(({ name }) => name);
      // A collection without an index of its own comes with its first document.
      const indexed = FLEET_COLLECTIONS.filter(({ indexes }) => indexes.length > 0).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(indexed));
    } finally {
      await mongo.close();
    }
  });

  it('makes every stream once', async () => {
    await prepareStreams(plan, silentLogger);
    await prepareStreams(plan, silentLogger);
    const nats = await connect({ servers: natsUrl });
    try {
      const manager = await jetstreamManager(nats);
      expect((await manager.streams.info(`${namespace}_PUSH`)).config.num_replicas).toBe(1);
    } finally {
      await nats.close();
    }
  });

  it('leaves a replica set and a Redis cluster that are there as they are', async () => {
    const [, host = '', port = ''] = /^mongodb:\/\/([\w.]+):(\d+)/.exec(mongoUrl) ?? [];
    await initiateReplicaSet({
      mongoUrl,
      members: [{ name: 'mongo-0', host, port: Number(port) }],
      logger: silentLogger,
    });
    await formRedisCluster({ redisUrl, masters: 3, logger: silentLogger });
  });
});

it('leaves no signing key when they are revoked', async () => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'test', logger: silentLogger });
  try {
    const keys = signingKeys.in(mongo.db);
    await mongo.db.collection(signingKeys.name).insertMany([{ kid: 'leaked' }, { kid: 'next' }]);
    await revokeSigningKeys(plan, silentLogger);
    expect(await keys.countDocuments()).toBe(0);
    // Nothing to do is no failure.
    await revokeSigningKeys(plan, silentLogger);
  } finally {
    await mongo.close();
  }
});
