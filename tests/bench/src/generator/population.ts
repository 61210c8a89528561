import { setTimeout as delay } from 'node:timers/promises';
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { latencyHistogram } from '../latency.js';
import type { Client, ClientEvents, ClientSpec, ConnectClient } from './client.js';
import type { Connected } from './commands.js';
import { nowUs } from './stamp.js';

export interface PopulationOptions {
  readonly connect: ConnectClient;
  readonly specs: readonly ClientSpec[];
  readonly events: ClientEvents;
  readonly payloadBytes: number;
  readonly ackEveryMs: number;
  readonly pingEveryMs: number;
}

/** Acks and pings of many clients are spread over their interval in so many slots. */
const SLOTS = 10;
const MAX_ATTEMPTS = 100;
const RETRY_MS = 1_000;

/** All clients of one generator process. */
export class Population {
  readonly clients: (Client | undefined)[];
  readonly #options: PopulationOptions;
  #dirty = new Set<Client>();
  readonly #timers: NodeJS.Timeout[] = [];
  #retries = 0;

  constructor(options: PopulationOptions) {
    this.#options = options;
    this.clients = options.specs.map(() => undefined);
    this.#timers.push(setInterval(this.#flush, Math.max(1, options.ackEveryMs)));
    let slot = 0;
    this.#timers.push(
      setInterval(() => {
        for (let i = slot; i < this.clients.length; i += SLOTS) this.clients[i]?.ping();
        slot = (slot + 1) % SLOTS;
      }, options.pingEveryMs / SLOTS),
    );
  }

  get specs(): readonly ClientSpec[] {
    return this.#options.specs;
  }

  /** @param atMostMs then no more are begun */
  async connectAll(atATime: number, atMostMs = Infinity): Promise<Connected> {
    const latency = latencyHistogram();
    const started = nowUs();
    this.#retries = 0;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < this.clients.length && nowUs() - started < atMostMs * 1_000) {
        const index = next;
        next += 1;
        await this.connectOne(index);
        latency.recordValue(Math.max(1, nowUs() - started));
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
    return {
      clients: this.clients.filter((client) => client?.isOpen === true).length,
      retries: this.#retries,
      tookMs: (nowUs() - started) / 1_000,
      latency: encodeIntoCompressedBase64(latency),
    };
  }

  /** Tries again after a pause of up to a second, as a client with jitter does. */
  async connectOne(index: number): Promise<void> {
    const { connect, specs, events, payloadBytes } = this.#options;
    const spec = specs[index];
    if (spec === undefined) return;
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.clients[index] = await connect(spec, { payloadBytes, events, dirty: (client) => this.#dirty.add(client) });
        return;
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS) throw error;
        this.#retries += 1;
        await delay(Math.random() * RETRY_MS);
      }
    }
  }

  cut(): void {
    this.clients.forEach((client, index) => {
      client?.destroy();
      this.clients[index] = undefined;
    });
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const client of this.clients) client?.close();
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const client of dirty) client.flush();
  };
}
