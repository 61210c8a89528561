import { lookup } from 'node:dns/promises';
import { retry } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { Redis } from 'ioredis';

export interface RedisClusterOptions {
  readonly redisUrl: string;
  readonly masters: number;
  readonly logger: Logger;
}

interface Node {
  readonly host: string;
  readonly port: number;
  /** CLUSTER MEET takes addresses only. */
  readonly address: string;
}

const SLOTS = 16_384;
const PATIENCE = { attempts: 90, minMs: 500, maxMs: 4_000 };

/** Makes the servers of the URL one cluster: the first `masters` of them share the slots, the others copy one each. */
export const formRedisCluster = async ({ redisUrl, masters, logger }: RedisClusterOptions): Promise<void> => {
  await retry(
    async () => {
      const nodes = await Promise.all(parseHosts(redisUrl).map(resolved));
      if (await isFormed(nodes)) {
        logger.info('the Redis cluster was there');
        return;
      }
      await form(nodes, masters);
      logger.info({ nodes: nodes.length, masters }, 'Redis cluster made');
    },
    {
      ...PATIENCE,
      onRetry: (error) => {
        logger.info({ reason: String(error) }, 'the Redis cluster is not there yet');
      },
    },
  );
};

const parseHosts = (url: string): { host: string; port: number }[] => {
  const hosts = /^rediss?:\/\/(?:[^@/]*@)?([^/?]+)/.exec(url)?.[1] ?? '';
  return hosts.split(',').map((entry) => {
    const { hostname, port } = new URL(`redis://${entry}`);
    return { host: hostname, port: port === '' ? 6379 : Number(port) };
  });
};

const resolved = async ({ host, port }: { host: string; port: number }): Promise<Node> => ({
  host,
  port,
  address: (await lookup(host, { family: 4 })).address,
});

const isFormed = async (nodes: readonly Node[]): Promise<boolean> => {
  const states = await Promise.all(
    nodes.map((node) => withNode(node, async (redis) => String(await redis.call('CLUSTER', 'INFO')))),
  );
  return states.every((info) => {
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${String(nodes.length)}`);
  });
};

const form = async (nodes: readonly Node[], masters: number): Promise<void> => {
  if (nodes.length < masters)
    throw new RangeError('GODWIT_SETUP_REDIS_MASTERS is above the servers in GODWIT_REDIS_URL');
  await Promise.all(
    nodes.slice(0, masters).map((node, index) => withNode(node, (redis) => giveSlots(redis, index, masters))),
  );
  const [first, ...others] = nodes;
  if (first === undefined) return;
  await withNode(first, async (redis) => {
    for (const { address, port } of others) await redis.call('CLUSTER', 'MEET', address, String(port));
  });
  await retry(() => copyMasters(nodes, masters), { attempts: 20, minMs: 200, maxMs: 1_000 });
  await retry(
    async () => {
      if (!(await isFormed(nodes))) throw new Error('the servers do not all know each other yet');
    },
    { attempts: 30, minMs: 200, maxMs: 1_000 },
  );
};

// A server has no slots yet, or those of a former try.
const giveSlots = async (redis: Redis, index: number, masters: number): Promise<void> => {
  const info = String(await redis.call('CLUSTER', 'NODES'));
  const own = info.split('\n').find((line) => line.includes('myself')) ?? '';
  if (own.trim().split(' ').length > 8) return;
  const share = SLOTS / masters;
  const from = Math.round(share * index);
  const to = Math.round(share * (index + 1));
  await redis.cluster('ADDSLOTS', ...Array.from({ length: to - from }, (_, offset) => from + offset));
  // Two servers with one epoch would have to settle it; a former try may have set it.
  if (own.includes(' 0 connected')) await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
};

const copyMasters = async (nodes: readonly Node[], masters: number): Promise<void> => {
  for (const [index, replica] of nodes.slice(masters).entries()) {
    const master = nodes[index % masters];
    if (master === undefined) continue;
    const id = await withNode(master, async (redis) => String(await redis.call('CLUSTER', 'MYID')));
    await withNode(replica, (redis) => redis.call('CLUSTER', 'REPLICATE', id));
  }
};

const withNode = async <T>({ host, port }: Node, act: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis({
    host,
    port,
    lazyConnect: true,
    connectTimeout: 2_000,
    commandTimeout: 3_000,
    retryStrategy: () => null,
  });
  // Without a listener ioredis prints each failed connection; the rejected connect says the same.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await act(redis);
  } finally {
    redis.disconnect();
  }
};
