import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { SendSchema, type Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { NoAnswerError, RefusedError } from './errors.js';
import type { Storage } from './storage.js';

/** A message's place in its conversation. */
export interface Sent {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
}

interface Entry {
  readonly key: string;
  readonly send: Send;
  readonly createdAtMs: number;
  /** It went out once already: repeat it with `retry`. */
  tried: boolean;
  requestId: number;
  /** Monotonic ms: not before. */
  notBeforeMs: number;
  /** Monotonic ms of the last try; 0: it is not in flight. */
  sentAtMs: number;
  readonly settle: { resolve: (sent: Sent) => void; reject: (error: Error) => void };
}

export interface OutboxOptions {
  readonly storage: Storage;
  /** Sends of one conversation that may be under way together: 1 keeps the sender's order even through refusals. */
  readonly window: number;
  /** Puts a send on the wire; false: there is no socket now. */
  readonly transmit: (send: Send, requestId: number) => boolean;
  readonly nextRequestId: () => number;
  /** Monotonic ms. */
  readonly now: () => number;
  /** The storage failed where nobody waits for it. */
  readonly onStorageError: (error: unknown) => void;
  /** A send from before a restart has ended. */
  readonly onRecovered: (result: Sent | RefusedError) => void;
}

const PREFIX = 'out/';
const GIVE_UP_MS = 6 * 24 * 3_600_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Messages on their way, by conversation and in order. An entry is stored before it is first sent and repeated, the same
 * bytes, until the server has acked or refused it.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queues = new Map<string, Entry[]>();
  readonly #inFlight = new Map<number, Entry>();
  #maxUnacked = 64;
  #order = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get size(): number {
    let size = 0;
    for (const queue of this.#queues.values()) size += queue.length;
    return size;
  }

  set maxUnacked(sends: number) {
    this.#maxUnacked = Math.max(1, sends);
  }

  /** What an earlier process left behind, in its order. */
  async load(): Promise<void> {
    const entries = await this.#options.storage.entries(PREFIX);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of entries) {
      const createdAtMs = Number(new DataView(value.buffer, value.byteOffset, 8).getFloat64(0));
      const send = fromBinary(SendSchema, value.subarray(8));
      this.#order = Math.max(this.#order, Number.parseInt(key.slice(PREFIX.length), 36) + 1);
      const settle = { resolve: this.#options.onRecovered, reject: this.#recoveredRefusal };
      this.#push({ key, send, createdAtMs, tried: true, requestId: 0, notBeforeMs: 0, sentAtMs: 0, settle });
    }
  }

  readonly #recoveredRefusal = (error: Error): void => {
    if (error instanceof RefusedError) this.#options.onRecovered(error);
  };

  /** Resolves when the message is stored by the server, however long that takes. */
  async add(send: Send): Promise<Sent> {
    const key = `${PREFIX}${(this.#order++).toString(36).padStart(9, '0')}`;
    const createdAtMs = Date.now();
    const value = new Uint8Array(8 + toBinary(SendSchema, send).length);
    new DataView(value.buffer).setFloat64(0, createdAtMs);
    value.set(toBinary(SendSchema, send), 8);
    return new Promise<Sent>((resolve, reject) => {
      const settle = { resolve, reject };
      const entry = { key, send, createdAtMs, tried: false, requestId: 0, notBeforeMs: 0, sentAtMs: 0, settle };
      // In its place at once, so that order is the order of the calls; on the wire when it is stored.
      entry.notBeforeMs = Number.MAX_SAFE_INTEGER;
      this.#push(entry);
      this.#options.storage.set(key, value).then(
        () => {
          entry.notBeforeMs = 0;
          this.pump();
        },
        (error: unknown) => {
          this.#remove(entry);
          reject(new Error('the outbox could not be written', { cause: error }));
        },
      );
    });
  }

  /** Sends what may be sent now. Called at every change and a few times a second. */
  pump(): void {
    const now = this.#options.now();
    for (const queue of this.#queues.values()) {
      for (const entry of queue.slice(0, this.#options.window)) {
        if (entry.sentAtMs > 0 && now - entry.sentAtMs > ANSWER_TIMEOUT_MS) this.#land(entry);
        if (entry.sentAtMs > 0) continue;
        if (entry.notBeforeMs > now || this.#inFlight.size >= this.#maxUnacked) break;
        if (!this.#transmit(entry, now)) return;
      }
    }
  }

  #transmit(entry: Entry, now: number): boolean {
    if (Date.now() - entry.createdAtMs > GIVE_UP_MS) {
      void this.#settle(entry, new NoAnswerError('given up after 6 days'));
      return true;
    }
    const requestId = this.#options.nextRequestId();
    const send = entry.tried ? create(SendSchema, { ...entry.send, retry: true }) : entry.send;
    if (!this.#options.transmit(send, requestId)) return false;
    entry.tried = true;
    entry.requestId = requestId;
    entry.sentAtMs = now;
    this.#inFlight.set(requestId, entry);
    return true;
  }

  /** The socket has gone: everything in flight is to be repeated on the next. */
  disconnected(): void {
    for (const entry of [...this.#inFlight.values()]) this.#land(entry);
  }

  /** Whether `requestId` was a send; its answer settles it. */
  acked(requestId: number, sent: Sent): boolean {
    const entry = this.#inFlight.get(requestId);
    if (entry === undefined) return false;
    void this.#settle(entry, sent);
    return true;
  }

  /** The message came back by itself: its ack was lost. Whether it was an open one. */
  seen(sent: Sent): boolean {
    const entry = this.#queues.get(sent.conversationId)?.find((e) => e.send.clientMessageId === sent.clientMessageId);
    if (entry === undefined) return false;
    void this.#settle(entry, sent);
    return true;
  }

  refused(requestId: number, error: RefusedError): boolean {
    const entry = this.#inFlight.get(requestId);
    if (entry === undefined) return false;
    this.#land(entry);
    if (error.retryAfterMs > 0) entry.notBeforeMs = this.#options.now() + error.retryAfterMs;
    else void this.#settle(entry, error);
    return true;
  }

  #land(entry: Entry): void {
    this.#inFlight.delete(entry.requestId);
    entry.sentAtMs = 0;
  }

  #push(entry: Entry): void {
    const queue = this.#queues.get(entry.send.conversationId);
    if (queue === undefined) this.#queues.set(entry.send.conversationId, [entry]);
    else queue.push(entry);
  }

  #remove(entry: Entry): void {
    this.#land(entry);
    const queue = this.#queues.get(entry.send.conversationId) ?? [];
    const rest = queue.filter((other) => other !== entry);
    if (rest.length > 0) this.#queues.set(entry.send.conversationId, rest);
    else this.#queues.delete(entry.send.conversationId);
  }

  async #settle(entry: Entry, result: Sent | Error): Promise<void> {
    this.#remove(entry);
    if (result instanceof Error) entry.settle.reject(result);
    else entry.settle.resolve(result);
    this.pump();
    // Left behind by a crash here, it is sent once more after the restart and gets the same ack.
    await this.#options.storage.delete(entry.key).catch(this.#options.onStorageError);
  }
}
