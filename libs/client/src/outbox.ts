import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { SendSchema, type Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { errorOf, isSignedOut, NoAnswerError, RefusedError } from './errors.js';
import { Pace } from './pace.js';
import type { Storage } from './storage.js';

/** A message's place in its conversation. */
export interface Sent {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
}

/** A message that will not be sent: refused, or given up. */
export interface Unsent {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly error: Error;
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
  /** Undefined: it was found after a restart, and nobody waits for it. */
  readonly waiter: { resolve: (sent: Sent) => void; reject: (error: Error) => void } | undefined;
}

export interface SendLimits {
  /** Sends that may wait for their answer at a time. */
  readonly maxUnacked: number;
  /** 0: no limit. */
  readonly perSecond: number;
  readonly burst: number;
}

export interface OutboxOptions {
  readonly storage: Storage;
  /** Sends of one conversation that may be under way together: 1 keeps the sender's order even through refusals. */
  readonly window: number;
  /** Messages that may wait; a further one is refused. */
  readonly mostUnsent: number;
  /** Puts a send on the wire; false: there is no socket now. Throws RefusedError for what no socket can take. */
  readonly transmit: (send: Send, requestId: number) => boolean;
  readonly nextRequestId: () => number;
  /** Monotonic ms. */
  readonly now: () => number;
  /** The storage failed where nobody waits for it. */
  readonly onStorageError: (error: unknown) => void;
  readonly onSent: (sent: Sent) => void;
  /** A send from before a restart has ended badly. */
  readonly onUnsent: (unsent: Unsent) => void;
}

const PREFIX = 'out/';
const GIVE_UP_MS = 6 * 24 * 3_600_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Refusals that are about this client as a whole, not about one message. */
const FOR_ALL = new Set(['RATE_LIMITED', 'TOO_MANY_UNACKED_SENDS', 'OVERLOADED']);
/** Clients that were told the same time must not come back in step. */
const JITTER = 0.2;

/**
 * Messages on their way, by conversation and in order. An entry is stored before it is first sent and repeated, the same
 * bytes, until the server has acked or refused it.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queues = new Map<string, Entry[]>();
  readonly #inFlight = new Map<number, Entry>();
  readonly #pace = new Pace();
  #maxUnacked = 64;
  #order = 0;
  #size = 0;
  #pausedUntil = 0;
  #closed: Error | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  limit({ maxUnacked, perSecond, burst }: SendLimits): void {
    this.#maxUnacked = Math.max(1, maxUnacked);
    this.#pace.limit(perSecond, burst);
  }

  /** What an earlier process left behind, in its order. */
  async load(): Promise<void> {
    const entries = await this.#options.storage.entries(PREFIX);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of entries) {
      this.#order = Math.max(this.#order, Number.parseInt(key.slice(PREFIX.length), 36) + 1);
      try {
        const createdAtMs = new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat64(0);
        const send = fromBinary(SendSchema, value.subarray(8));
        const waiter = undefined;
        this.#push({ key, send, createdAtMs, tried: true, requestId: 0, notBeforeMs: 0, sentAtMs: 0, waiter });
      } catch (error) {
        // One unreadable entry must not keep the others from being sent.
        this.#options.onStorageError(new Error(`the outbox entry ${key} is unreadable`, { cause: error }));
      }
    }
  }

  /** Resolves when the message is stored by the server, however long that takes. Order is the order of the calls. */
  async add(send: Send): Promise<Sent> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#size >= this.#options.mostUnsent) {
      throw new RefusedError({ reason: 'OUTBOX_FULL', message: `${String(this.#size)} messages wait to be sent` });
    }
    const key = `${PREFIX}${(this.#order++).toString(36).padStart(9, '0')}`;
    const createdAtMs = Date.now();
    const bytes = toBinary(SendSchema, send);
    const value = new Uint8Array(8 + bytes.length);
    new DataView(value.buffer).setFloat64(0, createdAtMs);
    value.set(bytes, 8);
    return new Promise<Sent>((resolve, reject) => {
      // In its place at once; on the wire when it is stored.
      const notBeforeMs = Number.MAX_SAFE_INTEGER;
      const waiter = { resolve, reject };
      const entry: Entry = { key, send, createdAtMs, tried: false, requestId: 0, notBeforeMs, sentAtMs: 0, waiter };
      this.#push(entry);
      this.#options.storage.set(key, value).then(
        () => {
          entry.notBeforeMs = 0;
          this.pump();
        },
        (error: unknown) => {
          void this.#settle(entry, new Error('the outbox could not be written', { cause: error }));
        },
      );
    });
  }

  /** Sends what may be sent now. Called at every change and a few times a second while there is something. */
  pump(): void {
    const now = this.#options.now();
    if (now < this.#pausedUntil) return;
    for (const [conversationId, queue] of [...this.#queues]) {
      for (const entry of queue.slice(0, this.#options.window)) {
        if (entry.sentAtMs > 0 && now - entry.sentAtMs > ANSWER_TIMEOUT_MS) this.#land(entry);
        if (entry.sentAtMs > 0) continue;
        if (entry.notBeforeMs > now) break;
        if (this.#inFlight.size >= this.#maxUnacked || !this.#pace.allows(now)) return;
        if (!this.#transmit(entry, now)) return;
      }
      this.#toTheEnd(conversationId);
    }
  }

  /** Next time the others come first: a long queue must not starve them of a small budget. */
  #toTheEnd(conversationId: string): void {
    const queue = this.#queues.get(conversationId);
    if (queue === undefined) return;
    this.#queues.delete(conversationId);
    this.#queues.set(conversationId, queue);
  }

  #transmit(entry: Entry, now: number): boolean {
    if (Date.now() - entry.createdAtMs > GIVE_UP_MS) {
      void this.#settle(entry, new NoAnswerError('given up after 6 days'));
      return true;
    }
    const requestId = this.#options.nextRequestId();
    const send = entry.tried ? create(SendSchema, { ...entry.send, retry: true }) : entry.send;
    try {
      if (!this.#options.transmit(send, requestId)) return false;
    } catch (error) {
      void this.#settle(entry, errorOf(error));
      return true;
    }
    this.#pace.take();
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

  /** The message came back by itself: its ack was lost, or is late. Whether it was an open one. */
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
    // A token that has run out is renewed, and then the message is welcome.
    const retryAfterMs = isSignedOut(error) ? ANSWER_TIMEOUT_MS / 10 : error.retryAfterMs;
    if (retryAfterMs === 0) {
      void this.#settle(entry, error);
      return true;
    }
    entry.notBeforeMs = this.#options.now() + retryAfterMs * (1 + Math.random() * JITTER);
    if (FOR_ALL.has(error.reason)) this.#pausedUntil = Math.max(this.#pausedUntil, entry.notBeforeMs);
    return true;
  }

  /** Nobody waits any longer; what is stored is sent after the next start. */
  close(why: string): void {
    this.#closed ??= new NoAnswerError(why);
    for (const queue of this.#queues.values()) for (const { waiter } of queue) waiter?.reject(this.#closed);
    this.#queues.clear();
    this.#inFlight.clear();
    this.#size = 0;
  }

  #land(entry: Entry): void {
    this.#inFlight.delete(entry.requestId);
    entry.sentAtMs = 0;
  }

  #push(entry: Entry): void {
    const queue = this.#queues.get(entry.send.conversationId);
    if (queue === undefined) this.#queues.set(entry.send.conversationId, [entry]);
    else queue.push(entry);
    this.#size += 1;
  }

  #remove(entry: Entry): void {
    this.#land(entry);
    const queue = this.#queues.get(entry.send.conversationId) ?? [];
    // Nearly always the first.
    const at = queue.indexOf(entry);
    if (at < 0) return;
    queue.splice(at, 1);
    this.#size -= 1;
    if (queue.length === 0) this.#queues.delete(entry.send.conversationId);
  }

  async #settle(entry: Entry, result: Sent | Error): Promise<void> {
    const { conversationId, clientMessageId } = entry.send;
    this.#remove(entry);
    if (result instanceof Error) {
      entry.waiter?.reject(result);
      if (entry.waiter === undefined) this.#options.onUnsent({ conversationId, clientMessageId, error: result });
    } else {
      entry.waiter?.resolve(result);
      this.#options.onSent(result);
    }
    this.pump();
    // Left behind by a crash here, it is sent once more after the restart and gets the same ack.
    await this.#options.storage.delete(entry.key).catch(this.#options.onStorageError);
  }
}
