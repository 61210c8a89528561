import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { connect } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { watchMongoProfile } from '@godwit/testkit/mongo-profile-watcher';
import { watchMongoCommands } from '@godwit/testkit/mongo-command-watcher';

describe('the servers of the int project', () => {
  const { mongoUrl, natsUrl, redisUrl } = testServers();
  const client = new MongoClient(mongoUrl, { monitorCommands: true });
  const database = client.db(uniqueNamespace());

  afterAll(async () => {
    await database.dropDatabase();
    await client.close();
  });

  it('are a replica set with transactions and majority writes', async () => {
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await database.collection('groups').insertOne({ conversationId: 'g:a' }, { session });
      }),
    );
    const read = database.collection('groups', { readConcern: { level: 'majority' } });
    expect(await read.countDocuments({ conversationId: 'g:a' })).toBe(1);
  });

  it('are a Redis cluster of three masters', async () => {
    const [first = ''] = redisUrl.replace('redis://', '').split(',');
    const redis = new Redis(`redis://${first}`);
    expect(await redis.call('CLUSTER', 'INFO')).toContain('cluster_size:3');
    redis.disconnect();
  });

  it('are a NATS server with JetStream', async () => {
    const { hostname, port } = new URL(natsUrl);
    const socket = connect(Number(port), hostname);
    const greeting = await new Promise<string>((resolve) => {
      socket.once('data', (chunk) => {
        resolve(chunk.toString());
      });
    });
    socket.destroy();
    expect(greeting).toMatch(/"jetstream":\s*true/);
  });

  it('let the profile watcher see what any process does', async () => {
    const watched = uniqueNamespace();
    const other = new MongoClient(mongoUrl, { appName: 'router-0' });
    await using watch = await watchMongoProfile({ mongoUrl, database: watched });
    const members = other.db(watched).collection('members');
    const whole = { conversationId: 'g:a', userId: 'u' };
    await members.insertOne({ ...whole });
    await members.updateOne(whole, { $set: { role: 'admin' } });
    await members.findOneAndUpdate(whole, { $set: { role: 'member' } });
    await members.find({ conversationId: 'g:a' }).toArray();
    await members.countDocuments({ conversationId: 'g:a' });
    await members.deleteMany({ conversationId: 'g:a' });
    expect(await watch.violations()).toEqual([]);
    expect(await watch.seen()).toBeGreaterThanOrEqual(6);
    await members.updateOne({ userId: 'u' }, { $set: { role: 'admin' } });
    await members.findOneAndUpdate({ userId: 'u' }, { $set: { role: 'admin' } });
    await members.deleteMany({ userId: 'u' });
    await members.find({ userId: 'u' }).toArray();
    await members.distinct('role', {});
    expect(await watch.violations()).toHaveLength(5);
    await expect(watch.assertTargeted()).rejects.toThrow(/update on members without .*router-0/s);
    await other.db(watched).dropDatabase();
    await other.close();
  });

  it('let the watcher see a query that is not targeted', async () => {
    const watch = watchMongoCommands(client);
    await database.collection('messages').findOne({ conversationId: 'g:a', seq: 1 });
    expect(watch.violations).toEqual([]);
    await database.collection('messages').findOne({ seq: 1 });
    watch.stop();
    expect(() => {
      watch.assertTargeted();
    }).toThrow(/find on messages without \{conversationId\}/);
  });
});
