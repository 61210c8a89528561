import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startMongo } from '@godwit/local-stack/servers/start-mongo';
import { startNats } from '@godwit/local-stack/servers/start-nats';
import { startRedisCluster } from '@godwit/local-stack/servers/start-redis';
import { waitFor } from '@godwit/testkit/wait-for';
import { Cluster } from 'ioredis';
import { MongoClient } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

describe('servers of one test alone', () => {
  let dir: string;
  let watchdog: Watchdog;

  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'godwit-servers-'));
    watchdog = Watchdog.start();
    watchdog.removeAtEnd(dir);
  });

  afterEach(() => watchdog.close());

  it('MongoDB keeps majority writes over SIGKILL, and moves to another port with its data', async () => {
    const mongo = await startMongo({ dir, ports: [await freePort()], watchdog });
    await withClient(mongo.url, (client) =>
      client
        .db('x')
        .collection('y')
        .insertOne({ a: 1 }, { writeConcern: { w: 'majority', journal: true } }),
    );
    await mongo.kill();
    await mongo.start();
    expect(await withClient(mongo.url, (client) => client.db('x').collection('y').countDocuments())).toBe(1);
    await mongo.stop();
    const moved = await startMongo({ dir, ports: [await freePort()], watchdog });
    expect(moved.url).not.toBe(mongo.url);
    expect(await withClient(moved.url, (client) => client.db('x').collection('y').countDocuments())).toBe(1);
  });

  it('MongoDB of three members elects another primary', async () => {
    const mongo = await startMongo({ dir, ports: await freePorts(3), watchdog });
    const first = await mongo.primary();
    await first.kill();
    const second = await waitFor(() => mongo.primary(), { timeoutMs: 20_000, what: 'another primary' });
    expect(second.name).not.toBe(first.name);
    await withClient(mongo.url, (client) =>
      client
        .db('x')
        .collection('y')
        .insertOne({ a: 1 }, { writeConcern: { w: 'majority' } }),
    );
    await mongo.start();
    expect(mongo.processes.every((member) => member.running)).toBe(true);
  });

  it('NATS comes back on its port', async () => {
    const nats = await startNats({ dir, ports: [await freePort()], watchdog });
    await nats.kill();
    expect(nats.processes[0]?.running).toBe(false);
    await nats.start();
    await nats.restart();
    expect(nats.processes[0]?.running).toBe(true);
  });

  it('Redis serves all slots again after SIGKILL of all', async () => {
    const redis = await startRedisCluster({ dir, ports: await freePorts(3), watchdog });
    await redis.kill();
    await redis.start();
    const cluster = new Cluster(
      redis.url
        .replace('redis://', '')
        .split(',')
        .map((host) => `redis://${host}`),
    );
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((key) => cluster.set(key, '1')))).toEqual([
      'OK',
      'OK',
      'OK',
      'OK',
    ]);
    cluster.disconnect();
  });

  it('three NATS servers keep three copies, lose one, and can be wiped', async () => {
    const nats = await startNats({ dir, ports: await freePorts(3), watchdog });
    expect(nats.processes.map(({ name }) => name)).toEqual(['nats-0', 'nats-1', 'nats-2']);
    await nats.processes[0]?.kill();
    await nats.start();
    await nats.wipe();
    expect(nats.processes.every(({ running }) => running)).toBe(true);
  });

  it('a replica takes over from a killed Redis master', async () => {
    const ports = await freePorts(6);
    const redis = await startRedisCluster({ dir, ports, watchdog, replicas: true });
    const cluster = new Cluster(ports.map((port) => `redis://127.0.0.1:${String(port)}`));
    await cluster.set('first', '1');
    await redis.processes[0]?.kill();
    const keys = Array.from({ length: 60 }, (_, index) => `key-${String(index)}`);
    const settled = async (): Promise<boolean> => {
      const results = await Promise.allSettled(keys.map((key) => cluster.set(key, '1')));
      return results.every(({ status }) => status === 'fulfilled');
    };
    await waitFor(settled, { timeoutMs: 15_000, intervalMs: 200, what: 'the replica has taken over' });
    cluster.disconnect();
    await redis.start();
  });

  it('says who sits on a port', async () => {
    const port = await freePort();
    await startNats({ dir, ports: [port], watchdog });
    await expect(startNats({ dir, ports: [port], watchdog })).rejects.toThrow(
      /^Port \d+ for NATS is in use by nats-server \(pid \d+\)\. Stop it, or set GODWIT_PORT_NATS or --port-base\.$/,
    );
  });
});

async function withClient<T>(url: string, act: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url);
  try {
    return await act(client);
  } finally {
    await client.close();
  }
}
