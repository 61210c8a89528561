import { connect, type NatsConnection } from '@nats-io/transport-node';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { natsTarget, type NatsTarget } from './nats-target.js';

export interface BusConnectionOptions {
  readonly url: string;
  /** Shows in the server's monitoring. */
  readonly name: string;
  readonly logger: Logger;
  readonly onChange: (connected: boolean) => void;
}

const RECONNECT = { minMs: 100, maxMs: 2_000 };
const CONNECT_MS = 2_000;
// Silence is noticed after two pings without an answer: within some 15 s instead of the default four minutes.
const PING_MS = 5_000;

/** The connection to NATS: made in the background, made again for ever, and honest about whether it is up. */
export class BusConnection {
  readonly #options: BusConnectionOptions;
  readonly #target: NatsTarget;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #connection: NatsConnection | undefined;
  #up = false;
  #waiting: ((connection: NatsConnection) => void)[] = [];

  constructor(options: BusConnectionOptions) {
    this.#options = options;
    this.#target = natsTarget(options.url);
    this.#running = this.#run();
  }

  /** The connection while it is up. */
  get current(): NatsConnection | undefined {
    return this.#up ? this.#connection : undefined;
  }

  /** The connection as soon as it is up; undefined when the signal aborts first. */
  async whenUp(signal: AbortSignal): Promise<NatsConnection | undefined> {
    if (this.current !== undefined) return this.current;
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((entry) => entry !== onUp);
        resolve(undefined);
      };
      const onUp = (connection: NatsConnection): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(connection);
      };
      this.#waiting.push(onUp);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#connection?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    for (let attempt = 0; !this.#abort.signal.aborted; attempt++) {
      try {
        await this.#connectOnce();
        attempt = 0;
      } catch (error) {
        if (attempt === 0)
          logger.warn({ err: error, servers: this.#target.servers }, 'NATS (GODWIT_NATS_URL) does not answer yet');
      }
      await sleep(fullJitter(RECONNECT, attempt), this.#abort.signal);
    }
  }

  /** Connects and returns when that connection has ended for good, which the client does only on being told so. */
  async #connectOnce(): Promise<void> {
    const connection = await connect({
      ...this.#target,
      name: this.#options.name,
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => fullJitter(RECONNECT, 3),
      pingInterval: PING_MS,
      maxPingOut: 2,
      // A server that is being reconfigured may refuse us for a moment.
      ignoreAuthErrorAbort: true,
    });
    this.#connection = connection;
    if (this.#abort.signal.aborted) {
      await connection.close();
      return;
    }
    this.#set(true);
    try {
      for await (const { type } of connection.status()) {
        if (type === 'disconnect' || type === 'staleConnection') this.#set(false);
        else if (type === 'reconnect') this.#set(true);
      }
      await connection.closed();
    } finally {
      this.#set(false);
    }
  }

  #set(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (up) this.#options.logger.info('NATS is connected');
    else if (!this.#abort.signal.aborted) this.#options.logger.warn('NATS is away');
    this.#options.onChange(up);
    if (!up || this.#connection === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(this.#connection);
  }
}
