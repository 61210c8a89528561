import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { assertPortFree, LOOPBACK, REDIS_BUS_OFFSET } from '../ports.js';
import { ManagedProcess, waitUntilReady } from '../process/managed-process.js';
import { acquireServer } from './acquire-server.js';
import { plainEnvironment, type Server, type ServerOptions, serverOf } from './server.js';

const SLOTS = 16_384;

export interface RedisOptions extends ServerOptions {
  /** Half of the ports are masters, the other half their replicas, one each. */
  readonly replicas?: boolean;
}

/** A cluster of one master for each port (three make the smallest real one). Keeps nothing over a start. */
export async function startRedisCluster(options: RedisOptions): Promise<Server> {
  const { binary } = await acquireServer('redis-server', options);
  for (const port of options.ports.flatMap((clientPort) => [clientPort, clientPort + REDIS_BUS_OFFSET])) {
    await assertPortFree({ port, what: 'Redis', wayOut: 'Stop it, or set GODWIT_PORT_REDIS or --port-base.' });
  }
  // What Redis holds can be rebuilt, and a cluster file of other ports would only confuse the new cluster.
  await rm(path.join(options.dir, 'data'), { recursive: true, force: true });
  const processes = options.ports.map((port, index) => redisProcess({ port, index, binary }, options));
  const server = serverOf({
    url: `redis://${options.ports.map((port) => `${LOOPBACK}:${String(port)}`).join(',')}`,
    processes,
    ready: () => untilReady(processes, options.ports),
  });
  await Promise.all(processes.map((managed) => managed.start()));
  await untilAnswering(processes, options.ports);
  const masters = options.replicas === true ? options.ports.slice(0, options.ports.length / 2) : options.ports;
  await formCluster(masters, options.ports);
  await untilReady(processes, options.ports);
  if (options.replicas === true) {
    const replicas = options.ports.slice(masters.length);
    await addReplicas(masters, replicas);
    await forEachNode(processes.slice(masters.length), replicas, async (redis) => {
      const info = await redis.info('replication');
      return info.includes('master_link_status:up') ? undefined : 'it has not copied its master yet';
    });
  }
  return server;
}

interface RedisPlan {
  readonly port: number;
  readonly index: number;
  readonly binary: string;
}

function redisProcess(plan: RedisPlan, options: ServerOptions): ManagedProcess {
  const name = `redis-${String(plan.index)}`;
  const network = ['--port', String(plan.port), '--bind', LOOPBACK, '--tcp-backlog', '511'];
  const nothingOnDisk = ['--appendonly', 'no', '--save', ''];
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  const spec = {
    name,
    command: plan.binary,
    args: [...network, ...nothingOnDisk, ...cluster, '--cluster-announce-ip', LOOPBACK],
    env: plainEnvironment(),
    cwd: path.join(options.dir, 'data', name),
    logFile: path.join(options.dir, `${name}.log`),
  };
  return new ManagedProcess(spec, options.watchdog);
}

async function withRedis<T>(port: number, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    port,
    host: LOOPBACK,
    lazyConnect: true,
    connectTimeout: 1000,
    commandTimeout: 2000,
    retryStrategy: () => null,
  });
  // Without a listener ioredis prints each failed connection; the rejected connect below says the same.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await act(redis);
  } finally {
    redis.disconnect();
  }
}

/** Gives every node its share of the slots and an epoch of its own, then introduces the first to the others. */
async function formCluster(masters: readonly number[], all: readonly number[]): Promise<void> {
  const share = SLOTS / masters.length;
  await Promise.all(
    masters.map((port, index) => {
      const from = Math.round(share * index);
      const slots = Array.from({ length: Math.round(share * (index + 1)) - from }, (_, offset) => from + offset);
      return withRedis(port, async (redis) => {
        await redis.cluster('ADDSLOTS', ...slots);
        await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      });
    }),
  );
  const [first, ...others] = all;
  if (first === undefined) return;
  await withRedis(first, async (redis) => {
    for (const port of others) await redis.call('CLUSTER', 'MEET', LOOPBACK, String(port));
  });
}

/** Every node knows all others by now. */
async function addReplicas(masters: readonly number[], replicas: readonly number[]): Promise<void> {
  await Promise.all(
    replicas.map(async (port, index) => {
      const master = masters[index];
      if (master === undefined) return;
      const id = await withRedis(master, (redis) => redis.call('CLUSTER', 'MYID'));
      await withRedis(port, (redis) => redis.call('CLUSTER', 'REPLICATE', String(id)));
    }),
  );
}

async function untilAnswering(processes: readonly ManagedProcess[], ports: readonly number[]): Promise<void> {
  await forEachNode(processes, ports, async (redis) => {
    await redis.ping();
    return undefined;
  });
}

async function untilReady(processes: readonly ManagedProcess[], ports: readonly number[]): Promise<void> {
  await forEachNode(processes, ports, async (redis) => {
    const info = String(await redis.call('CLUSTER', 'INFO'));
    const knowsAll = info.includes(`cluster_known_nodes:${String(ports.length)}\r`);
    return info.includes('cluster_state:ok') && knowsAll ? undefined : 'the cluster is not formed yet';
  });
}

async function forEachNode(
  processes: readonly ManagedProcess[],
  ports: readonly number[],
  complaint: (redis: Redis) => Promise<string | undefined>,
): Promise<void> {
  await Promise.all(
    processes.map(async (managed, index) => {
      const port = ports[index];
      if (port === undefined) return;
      await waitUntilReady(managed, { timeoutMs: 20_000, check: () => withRedis(port, complaint) });
    }),
  );
}
