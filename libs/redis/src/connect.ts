import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import { fullJitter } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import type { Metrics } from '@godwit/telemetry/metrics';
import { within } from '@godwit/runtime/deferred';
import { observeRedis, type RedisObserver } from './observe-redis.js';

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
  /** Of the process that connects; without them nobody sees what Redis does. */
  readonly metrics?: Metrics;
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
  /** Tells that Redis, or a member of the cluster, is there: at first and after every outage. What it kept may be gone. */
  onAvailable(listener: () => void): void;
  close(): Promise<void>;
}

const COMMAND_MS = 500;
const RECONNECT = { minMs: 100, maxMs: 2_000 };
const CONNECT_MS = 2_000;
/** Commands in a row that weren't answered before Redis is taken to be away; one may just have met a failover. */
const FAILURES_TO_DOWN = 3;
const PROBE_MS = 1_000;
/** Listeners write everything through again, so a shard that comes and goes must not call them each time. */
const NOTIFY_MS = 5_000;

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
export const connectRedis = (options: RedisConnectOptions): RedisStore => new Connection(options);

class Connection implements RedisStore {
  readonly #client: RedisClient;
  readonly #commandMs: number;
  readonly #logger: Logger;
  readonly #listeners: (() => void)[] = [];
  #state: 'starting' | 'up' | 'down' = 'starting';
  #slowFailures = 0;
  #notification: NodeJS.Timeout | undefined;
  #notifiedAt = -Infinity;
  #probeAt = 0;
  readonly #took: RedisObserver;

  constructor({ url, logger, metrics, commandMs = COMMAND_MS }: RedisConnectOptions) {
    this.#commandMs = commandMs;
    this.#logger = logger;
    this.#client = createClient(parseRedisUrl(url), commandMs);
    this.#took = observeRedis(metrics, { available: () => this.available, nodes: () => this.#connectedNodes });
    this.#client.on('ready', () => {
      this.#up();
    });
    this.#client.on('+node', (node: Redis) => {
      this.#watch(node);
    });
    // Without a listener an error of the connection would end the process.
    this.#client.on('error', (error: unknown) => {
      if (this.#client.status !== 'ready') this.#down(error);
    });
    this.#client.on('close', () => {
      this.#down(new Error('the connection was closed'));
    });
  }

  get available(): boolean {
    return this.#state === 'up';
  }

  async run<T>(commands: (client: RedisClient) => Promise<T>): Promise<T> {
    this.#admit();
    const startedAt = performance.now();
    const late = Symbol('late');
    let result: T | typeof late;
    try {
      // The timeout of a command doesn't cover what the cluster client does around it (redirections, slot refreshes).
      result = await within(commands(this.#client), this.#commandMs * 2, () => late);
    } catch (error) {
      if (!isAnswer(error)) throw this.#failed(error, startedAt);
      this.#took('refused', startedAt);
      this.#up();
      throw error;
    }
    if (result === late) throw this.#failed(new Error('no answer in time'), startedAt);
    this.#took('ok', startedAt);
    this.#up();
    return result;
  }

  onAvailable(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    clearTimeout(this.#notification);
    this.#client.removeAllListeners('ready');
    this.#listeners.length = 0;
    await within(quit(this.#client), CONNECT_MS, () => undefined);
    this.#client.disconnect();
  }

  /** A Redis that is connected but frozen would cost every caller the whole timeout: one a second is let through. */
  #admit(): void {
    const { status } = this.#client;
    if (status !== 'ready') throw new RedisUnavailable(new Error(`the connection is ${status}`));
    if (this.#state !== 'down') return;
    const now = performance.now();
    if (now < this.#probeAt) throw new RedisUnavailable(new Error('it did not answer a moment ago'));
    this.#probeAt = now + PROBE_MS;
  }

  /** A member that is connected to again may have lost what it held; the cluster client says nothing of it. */
  #watch(node: Redis): void {
    let known = false;
    node.on('ready', () => {
      if (known) this.#notify();
      known = true;
    });
  }

  get #connectedNodes(): number {
    const nodes = this.#client instanceof Cluster ? this.#client.nodes() : [this.#client];
    return nodes.filter(({ status }) => status === 'ready').length;
  }

  get #unconnected(): boolean {
    return this.#client instanceof Cluster && this.#client.nodes().every(({ status }) => status !== 'ready');
  }

  /** Only failures that cost their callers a wait count: one shard that refuses at once must not cost the others. */
  #failed(cause: unknown, startedAt: number): RedisUnavailable {
    this.#took('unavailable', startedAt);
    const slow = performance.now() - startedAt >= this.#commandMs * 0.9;
    if ((slow && ++this.#slowFailures >= FAILURES_TO_DOWN) || this.#unconnected) this.#down(cause);
    return new RedisUnavailable(cause);
  }

  #up(): void {
    this.#slowFailures = 0;
    if (this.#state === 'up') return;
    this.#state = 'up';
    this.#logger.info('Redis is available');
    this.#notify();
  }

  #notify(): void {
    this.#notification ??= setTimeout(
      () => {
        this.#notification = undefined;
        this.#notifiedAt = performance.now();
        for (const listener of this.#listeners) listener();
      },
      Math.max(this.#notifiedAt + NOTIFY_MS - performance.now(), 0),
    );
  }

  #down(error: unknown): void {
    if (this.#state === 'down') return;
    this.#state = 'down';
    this.#probeAt = performance.now() + PROBE_MS;
    this.#logger.warn({ err: error }, 'Redis is unavailable');
  }
}

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
