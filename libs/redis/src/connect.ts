import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import { fullJitter } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { within } from '@godwit/runtime/deferred';

/** Redis is away, or too slow to count on. Whoever catches this goes on without it. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';

  constructor(cause: unknown) {
    super('Redis is unavailable', { cause });
  }
}

export type RedisClient = Cluster | Redis;

export interface RedisConnectOptions {
  /** `redis://host:port,host:port,...` for a cluster (its seeds), `redis://host:port` for a single server. */
  readonly url: string;
  readonly logger: Logger;
  /** A command that isn't answered in this time has failed (default 500 ms). */
  readonly commandMs?: number;
}

export interface RedisStore {
  /** Whether commands can be expected to succeed. */
  readonly available: boolean;
  /**
   * Runs commands on the client.
   * @throws RedisUnavailable at once while Redis is away, or when it isn't answered in time; errors that Redis itself
   * answers with (wrong type, bad script) as they are
   */
  run<T>(commands: (client: RedisClient) => Promise<T>): Promise<T>;
  /** Tells that Redis is there (again): what was kept in it may be gone. */
  onAvailable(listener: () => void): void;
  close(): Promise<void>;
}

const COMMAND_MS = 500;
const RECONNECT = { minMs: 100, maxMs: 2_000 };
const CONNECT_MS = 2_000;

interface Address {
  readonly host: string;
  readonly port: number;
}

interface RedisTarget {
  readonly seeds: readonly Address[];
  readonly cluster: boolean;
  readonly options: { readonly username?: string; readonly password?: string; readonly tls?: ConnectionOptions };
}

/** @throws RangeError for anything but `redis[s]://[user:password@]host:port[,host:port...][?cluster=true]` */
export const parseRedisUrl = (url: string): RedisTarget => {
  const match = /^(rediss?):\/\/(?:([^:@/]*):([^@/]+)@)?([^/?]+)\/?(?:\?cluster=(true|false))?$/.exec(url);
  const hosts = match?.[4];
  if (match === null || hosts === undefined) throw new RangeError('not a URL like redis://host:port,host:port');
  const seeds = hosts.split(',').map((entry) => {
    const { hostname, port } = new URL(`redis://${entry}`);
    return { host: hostname, port: port === '' ? 6379 : Number(port) };
  });
  const [, scheme, username, password, , cluster] = match;
  return {
    seeds,
    cluster: cluster === undefined ? seeds.length > 1 : cluster === 'true',
    options: {
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
      ...(scheme === 'rediss' ? { tls: {} } : {}),
    },
  };
};

/**
 * Connects in the background, for ever: it returns at once whether Redis is there or not. Nothing is queued while it
 * is away; commands fail at once.
 */
export const connectRedis = ({ url, logger, commandMs = COMMAND_MS }: RedisConnectOptions): RedisStore => {
  const client = createClient(parseRedisUrl(url), commandMs);
  const listeners: (() => void)[] = [];
  let said = 'connecting';
  const say = (state: 'up' | 'down', error?: unknown): void => {
    if (said === state) return;
    said = state;
    if (state === 'up') logger.info('Redis is available');
    else logger.warn({ err: error }, 'Redis is unavailable');
  };
  client.on('ready', () => {
    say('up');
    for (const listener of listeners) listener();
  });
  // Without a listener an error of the connection would end the process.
  client.on('error', (error: unknown) => {
    say('down', error);
  });
  client.on('close', () => {
    say('down');
  });
  return {
    get available() {
      return client.status === 'ready';
    },
    run: (commands) => runOn(client, commands, commandMs),
    onAvailable: (listener) => {
      listeners.push(listener);
    },
    close: async () => {
      client.removeAllListeners('ready');
      await within(quit(client), CONNECT_MS, () => undefined);
      client.disconnect();
    },
  };
};

const quit = async (client: RedisClient): Promise<void> => {
  try {
    if (client.status === 'ready') await client.quit();
  } catch {
    // It is being closed: an answer isn't needed.
  }
};

const createClient = ({ seeds, cluster, options }: RedisTarget, commandTimeout: number): RedisClient => {
  const connection = {
    ...options,
    connectTimeout: CONNECT_MS,
    commandTimeout,
    maxRetriesPerRequest: 0,
    keepAlive: 5_000,
  } satisfies RedisOptions;
  const retryStrategy = (attempt: number): number => fullJitter(RECONNECT, attempt);
  const [first] = seeds;
  if (!cluster && first !== undefined) {
    return new Redis({ ...connection, ...first, retryStrategy, enableOfflineQueue: false });
  }
  const clusterOptions = {
    redisOptions: connection,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    // A node that restarts on its address comes back without a MOVED from another.
    clusterNodeRetryStrategy: retryStrategy,
    slotsRefreshTimeout: CONNECT_MS,
    maxRedirections: 4,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
  } satisfies ClusterOptions;
  return new Cluster([...seeds], clusterOptions);
};

/** A Lua or protocol error of Redis is an answer; everything else means that it wasn't reached. */
const isAnswer = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'ReplyError' &&
  !/^(CLUSTERDOWN|LOADING|MASTERDOWN|TRYAGAIN|READONLY)/.test(error.message);

const runOn = async <T>(
  client: RedisClient,
  commands: (client: RedisClient) => Promise<T>,
  commandMs: number,
): Promise<T> => {
  if (client.status !== 'ready') throw new RedisUnavailable(new Error(`the connection is ${client.status}`));
  const late = Symbol('late');
  let result: T | typeof late;
  try {
    // The timeout of a command doesn't cover what the cluster client does around it (redirections, slot refreshes).
    result = await within(commands(client), commandMs * 2, () => late);
  } catch (error) {
    throw isAnswer(error) ? error : new RedisUnavailable(error);
  }
  if (result === late) throw new RedisUnavailable(new Error('no answer in time'));
  return result;
};
