import path from 'node:path';
import type { Watchdog } from '../process/watchdog.js';
import type { Acquisition } from './acquire-server.js';
import { assertAnswering, type ExistingServers } from './existing-servers.js';
import type { Server, ServerOptions } from './server.js';
import { type MongoServer, startMongo } from './start-mongo.js';
import { type NatsServer, startNats } from './start-nats.js';
import { startRedisCluster } from './start-redis.js';

export interface ServerPorts {
  readonly mongo: readonly number[];
  readonly nats: readonly number[];
  readonly redis: readonly number[];
}

export interface ServersOptions extends Acquisition {
  readonly dir: string;
  readonly ports: ServerPorts;
  readonly watchdog: Watchdog;
  readonly existing?: ExistingServers;
  /** The second half of the Redis ports are copies of the first. */
  readonly redisReplicas?: boolean;
}

export interface Servers {
  readonly urls: { readonly mongo: string; readonly nats: string; readonly redis: string };
  /** Undefined where one that existed already is used. */
  readonly mongo: MongoServer | undefined;
  readonly nats: NatsServer | undefined;
  readonly redis: Server | undefined;
}

/** The three servers of the stack at once: those that exist as they are, the others started in `dir`. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { dir, ports, existing = {} } = options;
  await assertAnswering(existing);
  const at = (name: string, serverPorts: readonly number[]): ServerOptions => ({
    ...options,
    dir: path.join(dir, name),
    ports: serverPorts,
  });
  const [mongo, nats, redis] = await Promise.all([
    existing.mongo === undefined ? startMongo(at('mongo', ports.mongo)) : undefined,
    existing.nats === undefined ? startNats(at('nats', ports.nats)) : undefined,
    existing.redis === undefined
      ? startRedisCluster({ ...at('redis', ports.redis), replicas: options.redisReplicas === true })
      : undefined,
  ]);
  const urls = {
    mongo: mongo?.url ?? existing.mongo ?? '',
    nats: nats?.url ?? existing.nats ?? '',
    redis: redis?.url ?? existing.redis ?? '',
  };
  return { urls, mongo, nats, redis };
}
