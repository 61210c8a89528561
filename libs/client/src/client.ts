import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ClientFrameSchema, ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import {
  SendSchema,
  type Deliver,
  type FetchResult,
  type FetchSchema,
  type SendAck,
  type Welcome,
} from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { EventEmitter } from 'eventemitter3';
import {
  callFrameBody,
  callResponse,
  httpCalls,
  type CallName,
  type CallRequest,
  type CallResponse,
  type HttpCalls,
} from './calls.js';
import type { ClientEmitter, ClientEvents, ClientOptions } from './client-options.js';
import { protoCodec } from './codec.js';
import { Connection, type ConnectionListener, type ConnectionState } from './connection.js';
import { Conversations } from './conversations.js';
import { NoAnswerError, refusedError, RefusedError } from './errors.js';
import { emitNotice } from './notices.js';
import { kindOf, messageOf, payloadOf, type Outgoing } from './message.js';
import { Outbox, type Sent } from './outbox.js';
import { Requests } from './requests.js';
import { memoryStorage, type Storage } from './storage.js';
import { Subscriptions } from './subscriptions.js';

const FLUSH_MS = 100;
const CALL_TIMEOUT_MS = 10_000;
const MARKS_KEY = 'state/marks-since';
const EPOCH_KEY = 'state/epoch';

type Body = NonNullable<MessageInitShape<typeof ClientFrameSchema>['body']>;

/**
 * One device of one user. Sends each message once, whatever breaks, and shows each message once and in order.
 *
 *     const client = new GodwitClient({ edges, tokens, socket: nodeSocket, storage: await fileStorage('alice.db') });
 *     client.on('message', (message) => console.log(textOf(message)));
 *     await client.connect();
 *     const { seq } = await client.send(conversationId, { text: 'hello' });
 */
export class GodwitClient implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #storage: Storage;
  readonly #events: ClientEmitter = new EventEmitter();
  readonly #http: HttpCalls;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #conversations: Conversations;
  readonly #requests: Requests;
  readonly #subscriptions = new Subscriptions();
  readonly #encoder = new TextEncoder();
  #timer: ReturnType<typeof setInterval> | undefined;
  #epoch = 0n;
  #marksSinceMs = 0n;
  #welcome: Welcome | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#storage = options.storage ?? memoryStorage();
    this.#http = httpCalls(options.edges, options.fetch);
    const now = (): number => performance.now();
    this.#connection = new Connection(
      {
        edges: options.edges,
        tokens: options.tokens,
        socket: options.socket,
        codec: options.codec ?? protoCodec,
        ticket: async (token) => (await this.#http.call('createTicket', {}, token)).ticket,
        now,
      },
      {
        hello: () => this.#hello(),
        welcomed: (welcome) => {
          this.#welcomed(welcome);
        },
        frame: (frame) => {
          this.#frame(frame);
        },
        state: (state, detail) => {
          if (state === 'offline' || state === 'ended') this.#disconnected(detail);
          this.#events.emit('state', { state, detail });
        },
        ended: (reason) => {
          this.#events.emit('ended', reason);
        },
      },
    );
    this.#requests = new Requests(now);
    this.#outbox = new Outbox({
      storage: this.#storage,
      window: options.sendWindow ?? 1,
      transmit: (send, requestId) => this.#connection.send({ case: 'send', value: send }, requestId),
      nextRequestId: () => this.#connection.nextRequestId(),
      now,
      onRecovered: (result) => {
        if (result instanceof RefusedError) this.#events.emit('refused', result);
      },
      onStorageError: this.#storageFailed,
    });
    this.#conversations = new Conversations({
      storage: this.#storage,
      now,
      show: (deliver) => {
        this.#show(deliver);
      },
      acknowledge: (cursors) => this.#connection.send({ case: 'ack', value: { cursors } }),
      askFor: (conversationId, hole) => {
        this.#askFor(conversationId, hole.from, hole.to);
      },
      onStorageError: this.#storageFailed,
    });
  }

  on<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#events.on(event, handler as never);
  }

  off<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#events.off(event, handler as never);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** The edge this client is connected to, or tries next. */
  get edge(): string {
    return this.#connection.edge;
  }

  /** Known after the first welcome. */
  get userId(): string {
    return this.#welcome?.userId ?? '';
  }

  get deviceId(): string {
    return this.#welcome?.deviceId ?? '';
  }

  /** Messages that wait to be stored by the server. */
  get unsent(): number {
    return this.#outbox.size;
  }

  /** Up to where this device has seen a conversation. */
  seen(conversationId: string): number {
    return this.#conversations.seen(conversationId);
  }

  /** Conversations this device has heard of. */
  conversations(): string[] {
    return this.#conversations.ids();
  }

  /** Resolves when what was missed is here; goes on connecting until `close`. Rejects when the device is signed out. */
  async connect(): Promise<void> {
    if (this.#timer === undefined) {
      await this.#load();
      this.#timer = setInterval(() => {
        this.#tick();
      }, FLUSH_MS);
    }
    if (this.#connection.state === 'online') return;
    await new Promise<void>((resolve, reject) => {
      const onState = ({ state, detail }: ClientEvents['state']): void => {
        if (state !== 'online' && state !== 'ended') return;
        this.off('state', onState);
        if (state === 'online') resolve();
        else reject(new NoAnswerError(`the client has ended: ${detail}`));
      };
      this.on('state', onState);
      this.#connection.start();
    });
  }

  /** Acks what was seen, keeps the outbox for the next start, closes the socket. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#conversations.flush();
    this.#connection.stop('closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Moves to another edge, as after a broken connection. */
  reconnect(): void {
    this.#connection.reconnect();
  }

  /**
   * Sends a message. Resolves when it is stored, after however many tries and reconnects; rejects with RefusedError when
   * the server refuses it, and with NoAnswerError after 6 days.
   */
  async send(conversationId: string, outgoing: Outgoing): Promise<Sent> {
    const payload = payloadOf(outgoing);
    const send = create(SendSchema, {
      conversationId,
      clientMessageId: outgoing.clientMessageId ?? newMessageId(),
      metadata: {
        timestampMs: BigInt(Date.now()),
        kind: kindOf(payload.content),
        targetSeq: BigInt(outgoing.targetSeq ?? 0),
        expiresAtMs: BigInt(outgoing.expiresAtMs ?? 0),
      },
      payload,
    });
    return this.#outbox.add(send);
  }

  /** Says that the user has read everything up to `seq`. Lost when offline: say it again with the next message. */
  read(conversationId: string, seq: number): boolean {
    return this.#connection.send({ case: 'read', value: { cursors: [{ conversationId, seq: BigInt(seq) }] } });
  }

  /** Says that the user is typing, or has stopped. At most every 2 s. */
  typing(conversationId: string, stopped = false): boolean {
    return this.#connection.send({ case: 'typing', value: { conversationId, stopped } });
  }

  /** Hears of these users and conversations from now on, on later sockets too. */
  async subscribe(topics: { userIds?: readonly string[]; conversationIds?: readonly string[] }): Promise<void> {
    await this.#ask({ case: 'presenceSubscribe', value: this.#subscriptions.add(topics) });
  }

  async unsubscribe(topics: { userIds?: readonly string[]; conversationIds?: readonly string[] }): Promise<void> {
    await this.#ask({ case: 'presenceUnsubscribe', value: this.#subscriptions.remove(topics) });
  }

  /** Reads a range of one conversation; see docs/protocol.md. */
  async fetch(request: MessageInitShape<typeof FetchSchema>): Promise<FetchResult> {
    const answer = await this.#ask({ case: 'fetch', value: request });
    if (answer.body.case !== 'fetchResult') throw new NoAnswerError('fetch was answered with something else');
    return answer.body.value;
  }

  /** An account, group or history call over the socket. */
  async call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>> {
    const answer = await this.#ask(callFrameBody(name, request));
    if (answer.body.case !== 'callResult') throw new NoAnswerError(`${name} was answered with something else`);
    if (answer.body.value.response.case === 'refused') throw refusedError(answer.body.value.response.value);
    return callResponse(name, answer.body.value);
  }

  async #ask(body: Body): Promise<ServerFrame> {
    const requestId = this.#connection.nextRequestId();
    const answer = this.#requests.open(requestId, CALL_TIMEOUT_MS);
    if (!this.#connection.send(body, requestId)) this.#requests.fail(requestId, new NoAnswerError('not connected'));
    return answer;
  }

  async #load(): Promise<void> {
    await Promise.all([this.#conversations.load(), this.#outbox.load()]);
    const decoder = new TextDecoder();
    for (const [key, value] of await this.#storage.entries('state/')) {
      if (key === MARKS_KEY) this.#marksSinceMs = BigInt(decoder.decode(value));
      if (key === EPOCH_KEY) this.#epoch = BigInt(decoder.decode(value));
    }
  }

  #hello(): ReturnType<ConnectionListener['hello']> {
    return {
      cursors: this.#conversations.cursors(),
      epoch: this.#epoch,
      marksSinceMs: this.#marksSinceMs,
      client: this.#options.name ?? 'godwit-sdk',
    };
  }

  #welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#epoch = welcome.epoch;
    this.#keep(EPOCH_KEY, this.#epoch);
    this.#outbox.maxUnacked = welcome.limits?.maxUnackedSends ?? 1;
    this.#outbox.pump();
    const topics = this.#subscriptions.all();
    if (topics !== undefined) this.#connection.send({ case: 'presenceSubscribe', value: topics });
  }

  #disconnected(why: string): void {
    this.#outbox.disconnected();
    this.#requests.failAll(new NoAnswerError(`the connection broke: ${why}`));
  }

  #tick(): void {
    this.#requests.expire();
    this.#outbox.pump();
    this.#conversations.askForHoles();
    void this.#conversations.flush();
  }

  #frame(frame: ServerFrame): void {
    const { body, requestId } = frame;
    switch (body.case) {
      case 'deliver':
        this.#conversations.deliver(body.value);
        return;
      case 'sendAck':
        this.#acked(requestId, body.value);
        return;
      case 'error':
        this.#refused(requestId, refusedError(body.value));
        return;
      case 'gone':
        this.#conversations.gone(body.value);
        this.#events.emit('gone', {
          conversationId: body.value.conversationId,
          fromSeq: Number(body.value.fromSeq),
          toSeq: Number(body.value.toSeq),
          reason: body.value.reason,
        });
        return;
      case 'position':
        this.#conversations.position(body.value);
        return;
      case 'syncComplete':
        this.#marksSinceMs = body.value.serverTimeMs;
        this.#keep(MARKS_KEY, this.#marksSinceMs);
        return;
      default:
        if (!this.#requests.answer(requestId, frame)) emitNotice(this.#events, frame);
    }
  }

  #show(deliver: Deliver): void {
    const message = messageOf(deliver);
    const own = message.from.userId === this.userId && message.from.deviceId === this.deviceId;
    // An own message that comes as a delivery: its ack was lost with a socket.
    if (own && this.#outbox.seen({ ...message })) return;
    this.#events.emit('message', message);
  }

  #acked(requestId: number, ack: SendAck): void {
    const sent: Sent = {
      conversationId: ack.conversationId,
      clientMessageId: ack.clientMessageId,
      seq: Number(ack.seq),
      serverTimeMs: Number(ack.serverTimeMs),
    };
    if (!this.#outbox.acked(requestId, sent) && !this.#outbox.seen(sent)) return;
    this.#conversations.own(sent.conversationId, sent.seq);
    this.#events.emit('sent', sent);
  }

  #refused(requestId: number, error: RefusedError): void {
    if (this.#outbox.refused(requestId, error) || this.#requests.fail(requestId, error)) return;
    this.#events.emit('problem', error);
  }

  #askFor(conversationId: string, from: number, to: number): void {
    this.fetch({ conversationId, afterSeq: BigInt(from - 1), beforeSeq: BigInt(to + 1), limit: 256 }).then(
      (result) => {
        this.#conversations.fetched(result);
      },
      (error: unknown) => {
        // The hole stays open and is asked for again in a second.
        this.#events.emit('problem', error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #keep(key: string, value: bigint): void {
    this.#storage.set(key, this.#encoder.encode(String(value))).catch(this.#storageFailed);
  }

  readonly #storageFailed = (error: unknown): void => {
    this.#events.emit('problem', new Error('the client storage failed', { cause: error }));
  };
}

/** 128 random bits in the alphabet of client message ids. */
function newMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
