import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { busConnected, busDisconnects, busStoreSeconds } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';
import { activeSpan } from '@godwit/tracing/spans';
import { BusConnection } from './connection.js';
import { BusUnavailable } from './bus-unavailable.js';
import { consume, type ConsumeOptions, type Consumption, type JobHandler } from './consume.js';
import { ensureStreams } from './ensure-streams.js';
import { streamName, subjectName, TRACEPARENT_HEADER } from './naming.js';
import { readBack, streamState, type ReadBack, type ReadBackOptions, type StreamState } from './read-back.js';
import type { StreamDeclaration } from './streams.js';
import type { CoreSubject, StoredSubject } from './subjects.js';

export interface BusOptions {
  /** `nats://[user:password@]host:port`, several separated by commas. */
  readonly url: string;
  readonly namespace: string;
  /** Name of this replica. */
  readonly name: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Streams this process publishes to or consumes from: made, and made again should the server have lost them. */
  readonly streams?: readonly StreamDeclaration[];
  /** Copies of a stream that is made here (default 1). */
  readonly streamReplicas?: number;
}

export type MessageHandler = (payload: Uint8Array, subject: string) => void;

export interface FactHandlers {
  readonly onFact: MessageHandler;
  /** Facts may have been missed: forget what is cached from them. Also called when the first connection is up. */
  readonly onGap: () => void;
}

export interface StoreOptions {
  /** The same one again within the stream's window does nothing. */
  readonly id?: string;
  /** Of the span that the work on it belongs below (default: the active one's); empty: not traced. */
  readonly traceparent?: string;
}

interface Interest {
  readonly subject: string;
  readonly handler: MessageHandler;
  readonly queue: string | undefined;
}

interface Storing {
  readonly outcome: 'stored' | 'unavailable';
  readonly startedAt: number;
}

// How long a job may take to be stored.
const STORE_MS = 2_000;
const ENSURE_RETRY = { minMs: 500, maxMs: 10_000 };

/** Jobs, facts and ephemeral messages over NATS. Returns from every call at once or in bounded time, NATS or not. */
export class Bus {
  readonly #options: BusOptions;
  readonly #connection: BusConnection;
  readonly #abort = new AbortController();
  readonly #interests = new Set<Interest>();
  readonly #gapListeners = new Set<() => void>();
  readonly #subscriptions = new Map<Interest, Subscription>();
  // Subscriptions live as long as their connection, through all its reconnects.
  #subscribedOn: NatsConnection | undefined;
  #streamsLost = false;
  readonly #storeSeconds;

  constructor(options: BusOptions) {
    this.#options = options;
    const gauge = options.metrics.gauge(busConnected);
    gauge.set(0);
    const disconnects = options.metrics.counter(busDisconnects);
    this.#storeSeconds = options.metrics.histogram(busStoreSeconds);
    this.#connection = new BusConnection({
      url: options.url,
      name: options.name,
      logger: options.logger,
      onChange: (connected) => {
        gauge.set(connected ? 1 : 0);
        if (connected) this.#onConnected();
        else disconnects.inc();
      },
    });
  }

  get connected(): boolean {
    return this.#connection.current !== undefined;
  }

  /**
   * Sends to whoever listens now.
   * @throws BusUnavailable while NATS is away (nothing is kept for later)
   */
  publish(subject: CoreSubject, payload: Uint8Array): void {
    const connection = this.#requireConnection();
    try {
      connection.publish(subjectName(this.#options.namespace, subject), payload);
    } catch (error) {
      throw new BusUnavailable(error);
    }
  }

  /**
   * Has a job or fact stored by the stream of its subject.
   * @throws BusUnavailable when it isn't known to be stored: it may be, so the job has to bear being done twice
   */
  async store(subject: StoredSubject, payload: Uint8Array, { id, traceparent }: StoreOptions = {}): Promise<void> {
    const connection = this.#requireConnection();
    const startedAt = performance.now();
    try {
      await this.#jetstream(connection).publish(subjectName(this.#options.namespace, subject), payload, {
        timeout: STORE_MS,
        retries: 0,
        ...(id === undefined ? {} : { msgID: id }),
        ...headersOf(traceparent ?? activeSpan()?.traceparent),
      });
      this.#stored(subject, { outcome: 'stored', startedAt });
    } catch (error) {
      this.#stored(subject, { outcome: 'unavailable', startedAt });
      this.#lookAfterStreams();
      throw new BusUnavailable(error);
    }
  }

  /** Listens as long as the process lives, through every reconnect; of those with the same `queue` one gets each message. */
  subscribe(subject: CoreSubject, handler: MessageHandler, queue?: string): () => void {
    return this.#listen({ subject, handler, queue });
  }

  /**
   * Hears of facts as they are stored, in every process that follows them; for caches. It is a plain subscription, so
   * what is stored while NATS or this process is away is missed, and `onGap` tells so.
   */
  follow(subject: StoredSubject, { onFact, onGap }: FactHandlers): () => void {
    const stop = this.#listen({ subject, handler: onFact, queue: undefined });
    this.#gapListeners.add(onGap);
    return () => {
      stop();
      this.#gapListeners.delete(onGap);
    };
  }

  /** Works on a stream's jobs together with all others of the same `durable` name; see `consume`. */
  consume(stream: StreamDeclaration, handler: JobHandler, options: ConsumeOptions): Consumption {
    const { namespace, logger, metrics } = this.#options;
    return consume({ connection: this.#connection, namespace, stream, handler, options, logger, metrics });
  }

  /**
   * Reads what a stream of facts has kept.
   * @throws BusUnavailable
   */
  async readBack(options: ReadBackOptions): Promise<ReadBack> {
    const connection = this.#requireConnection();
    try {
      return await readBack(connection, this.#options.namespace, options);
    } catch (error) {
      throw new BusUnavailable(error);
    }
  }

  /** @throws BusUnavailable */
  async streamState(stream: StreamDeclaration): Promise<StreamState> {
    const connection = this.#requireConnection();
    try {
      return await streamState(connection, streamName(this.#options.namespace, stream));
    } catch (error) {
      throw new BusUnavailable(error);
    }
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#connection.close();
  }

  /** @throws BusUnavailable */
  #requireConnection(): NatsConnection {
    const connection = this.#connection.current;
    if (connection === undefined) throw new BusUnavailable(new Error('not connected'));
    return connection;
  }

  #jetstream(connection: NatsConnection): JetStreamClient {
    return jetstream(connection, { timeout: STORE_MS });
  }

  /** The first word of a stored subject is its stream's name. */
  #stored(subject: StoredSubject, { outcome, startedAt }: Storing): void {
    const stream = subject.slice(0, subject.indexOf('.')).toUpperCase();
    this.#storeSeconds.labels({ stream, outcome }).observe((performance.now() - startedAt) / 1_000);
  }

  #listen(interest: Interest): () => void {
    this.#interests.add(interest);
    if (this.#subscribedOn !== undefined) this.#subscribe(this.#subscribedOn, interest);
    return () => {
      this.#interests.delete(interest);
      this.#subscriptions.get(interest)?.unsubscribe();
      this.#subscriptions.delete(interest);
    };
  }

  #subscribe(connection: NatsConnection, interest: Interest): void {
    const { namespace, logger } = this.#options;
    const subscription = connection.subscribe(subjectName(namespace, interest.subject), {
      ...(interest.queue === undefined ? {} : { queue: interest.queue }),
      callback: (error, message) => {
        if (error !== null) {
          logger.error({ err: error, subject: interest.subject }, 'a subscription failed');
          return;
        }
        try {
          interest.handler(message.data, message.subject.slice(namespace.length + 1));
        } catch (failure) {
          logger.error({ err: failure, subject: interest.subject }, 'a message of the bus could not be handled');
        }
      },
    });
    this.#subscriptions.set(interest, subscription);
  }

  #onConnected(): void {
    const connection = this.#connection.current;
    if (connection === undefined) return;
    if (connection !== this.#subscribedOn) {
      this.#subscribedOn = connection;
      for (const interest of this.#interests) this.#subscribe(connection, interest);
    }
    for (const listener of this.#gapListeners) listener();
    this.#lookAfterStreams();
  }

  #lookAfterStreams(): void {
    if (this.#streamsLost || this.#options.streams === undefined) return;
    this.#streamsLost = true;
    this.#ensureStreams(this.#options.streams)
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'looking after the streams failed');
      })
      .finally(() => {
        this.#streamsLost = false;
      });
  }

  async #ensureStreams(streams: readonly StreamDeclaration[]): Promise<void> {
    const { namespace, streamReplicas = 1, logger } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const connection = this.#connection.current;
      // The next connection looks after them again.
      if (connection === undefined || this.#abort.signal.aborted) return;
      try {
        const manager = await jetstreamManager(connection, { timeout: STORE_MS, checkAPI: false });
        await ensureStreams(manager, { namespace, streams, replicas: streamReplicas });
        return;
      } catch (error) {
        logger.warn({ err: error }, 'the streams could not be made yet');
      }
      if (!(await sleep(fullJitter(ENSURE_RETRY, attempt), this.#abort.signal))) return;
    }
  }
}

const headersOf = (traceparent = ''): { readonly headers?: MsgHdrs } => {
  if (traceparent === '') return {};
  const given = headers();
  given.set(TRACEPARENT_HEADER, traceparent);
  return { headers: given };
};

/** Connects in the background: it returns at once whether NATS is there or not. */
export const connectBus = (options: BusOptions): Bus => new Bus(options);
