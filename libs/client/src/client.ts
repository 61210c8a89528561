import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ClientFrameSchema, ServerFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type {
  Deliver,
  FetchResult,
  FetchSchema,
  SendAck,
  Welcome,
} from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { callFrameBody, callResponse, httpCalls, type CallName, type CallRequest, type CallResponse } from './calls.js';
import type { ClientEvents, ClientOptions } from './client-options.js';
import { protoCodec } from './codec.js';
import { Connection, type ConnectionState, type EndReason } from './connection.js';
import { Conversations } from './conversations.js';
import { DeviceState } from './device-state.js';
import { NoAnswerError, refusedError, RefusedError } from './errors.js';
import { Events } from './events.js';
import { HoleFetches } from './hole-fetches.js';
import { messageOf, sendOf, type Outgoing } from './message.js';
import { sendTraced, showTraced } from './message-spans.js';
import { emitNotice } from './notices.js';
import { Outbox, type Sent } from './outbox.js';
import { Reads } from './reads.js';
import { Requests } from './requests.js';
import { memoryStorage } from './storage.js';
import { inFrames, Subscriptions, type SomeTopics } from './subscriptions.js';
import { watchedStorage, type WatchedStorage } from './watched-storage.js';

const TICK_MS = 100;
const CALL_TIMEOUT_MS = 10_000;
const MOST_UNSENT = 10_000;

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
  readonly #storage: WatchedStorage;
  readonly #events = new Events();
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #conversations: Conversations;
  readonly #holes: HoleFetches;
  readonly #reads: Reads;
  readonly #requests: Requests;
  readonly #subscriptions = new Subscriptions();
  readonly #device: DeviceState;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #loading: Promise<void> | undefined;
  #welcome: Welcome | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    const storage = (this.#storage = watchedStorage(options.storage ?? memoryStorage()));
    const now = (): number => performance.now();
    const onStorageError = (error: unknown): void => {
      this.#events.emit('problem', new Error('the client storage failed', { cause: error }));
    };
    this.#device = new DeviceState(storage, onStorageError);
    this.#requests = new Requests(now);
    this.#connection = this.#newConnection(now);
    this.#outbox = new Outbox({
      storage,
      now,
      onStorageError,
      window: Math.max(1, options.sendWindow ?? 1),
      mostUnsent: options.mostUnsent ?? MOST_UNSENT,
      transmit: (send, requestId) => this.#connection.send({ case: 'send', value: send }, requestId),
      nextRequestId: () => this.#connection.nextRequestId(),
      onSent: (sent) => {
        this.#events.emit('sent', sent);
      },
      onUnsent: (unsent) => {
        this.#events.emit('unsent', unsent);
      },
    });
    this.#conversations = new Conversations({
      storage,
      now,
      onStorageError,
      show: (deliver) => showTraced(options.startSpan, deliver, () => this.#show(deliver)),
      acknowledge: (cursors) => this.#connection.send({ case: 'ack', value: { cursors } }),
      askFor: (conversationId, hole) => {
        this.#holes.ask(conversationId, hole);
      },
      onWork: () => {
        this.#wake();
      },
    });
    this.#holes = new HoleFetches({
      fetch: (request) => this.fetch(request),
      conversations: this.#conversations,
      onFailure: (error) => {
        this.#events.emit('problem', error);
      },
    });
    this.#reads = new Reads((cursors) => this.#connection.send({ case: 'read', value: { cursors } }));
  }

  #newConnection(now: () => number): Connection {
    const { edges, tokens, socket, codec = protoCodec, fetch: fetchImpl, name } = this.#options;
    const http = httpCalls(edges, fetchImpl);
    const ticket = async (token: string): Promise<string> => (await http.call('createTicket', {}, token)).ticket;
    return new Connection(
      { edges, tokens, socket, codec, ticket, now },
      {
        hello: () => ({
          cursors: this.#conversations.cursors(),
          epoch: this.#device.epoch,
          marksSinceMs: this.#device.marksSinceMs,
          client: name ?? 'godwit-sdk',
        }),
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
          this.#ended(reason);
        },
      },
    );
  }

  on<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#events.on(event, handler);
  }

  off<E extends keyof ClientEvents>(event: E, handler: (value: ClientEvents[E]) => void): void {
    this.#events.off(event, handler);
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
    await this.#loaded();
    if (this.#connection.state === 'online') return;
    await new Promise<void>((resolve, reject) => {
      const onState = ({ state, detail }: ClientEvents['state']): void => {
        if (state !== 'online' && state !== 'ended') return;
        this.off('state', onState);
        if (state === 'online') resolve();
        else reject(new NoAnswerError(`the client has ended: ${detail}`));
      };
      if (this.#connection.state === 'ended') {
        reject(new NoAnswerError('the client has ended: make a new one'));
        return;
      }
      this.on('state', onState);
      this.#connection.start();
    });
  }

  /**
   * Acks what was seen, closes the socket, and resolves when everything is in the storage. What waits in the outbox is
   * sent after the next start; its promises reject with NoAnswerError.
   */
  async close(): Promise<void> {
    await this.#conversations.finish();
    if (this.#connection.isOpen) this.#reads.flush();
    this.#connection.stop('closed');
    await this.#storage.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Moves to another edge, as after a broken connection. For apps that know that their network has changed. */
  reconnect(): void {
    this.#connection.reconnect();
  }

  /**
   * Sends a message. Resolves when it is stored, after however many tries and reconnects; rejects with RefusedError when
   * the server refuses it, and with NoAnswerError after 6 days, or when the client is closed.
   */
  async send(conversationId: string, outgoing: Outgoing): Promise<Sent> {
    const send = sendOf(conversationId, outgoing);
    return sendTraced(this.#options.startSpan, send, async () => {
      // Behind what an earlier process left, whose places in the storage are known only then.
      await this.#loaded();
      this.#wake();
      return this.#outbox.add(send);
    });
  }

  /** Says that the user has read everything up to `seq`: soon, or with the next connection. */
  read(conversationId: string, seq: number): void {
    this.#reads.add(conversationId, seq);
    this.#wake();
  }

  /** Says that the user is typing, or has stopped. At most every 2 s. Whether there was a socket to say it on. */
  typing(conversationId: string, stopped = false): boolean {
    return this.#connection.send({ case: 'typing', value: { conversationId, stopped } });
  }

  /** Hears of these users and conversations from now on, on later sockets too; without a socket, from the next one on. */
  async subscribe(topics: SomeTopics): Promise<void> {
    this.#subscriptions.add(topics);
    if (!this.#connection.isOpen) return;
    try {
      for (const value of inFrames(topics)) await this.#ask({ case: 'presenceSubscribe', value });
    } catch (error) {
      // Asked for again on each socket, what is refused would take the others with it.
      if (error instanceof RefusedError && error.retryAfterMs === 0) this.#subscriptions.remove(topics);
      throw error;
    }
  }

  async unsubscribe(topics: SomeTopics): Promise<void> {
    this.#subscriptions.remove(topics);
    if (!this.#connection.isOpen) return;
    for (const value of inFrames(topics)) await this.#ask({ case: 'presenceUnsubscribe', value });
  }

  /** Reads a range of one conversation; see docs/protocol.md. `messageOf` makes messages of what it gives. */
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
    if (!this.#connection.send(body, requestId)) throw new NoAnswerError('not connected');
    this.#wake();
    return this.#requests.open(requestId, CALL_TIMEOUT_MS);
  }

  #loaded(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    await Promise.all([this.#conversations.load(), this.#outbox.load(), this.#device.load()]);
  }

  #welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#device.epoch = welcome.epoch;
    const { maxUnackedSends = 1, sendsPerSecond = 0, sendBurst = 0 } = welcome.limits ?? {};
    this.#outbox.limit({ maxUnacked: maxUnackedSends, perSecond: sendsPerSecond, burst: sendBurst });
    this.#conversations.connected();
    for (const value of this.#subscriptions.all()) this.#connection.send({ case: 'presenceSubscribe', value });
    this.#outbox.pump();
    this.#wake();
  }

  #disconnected(why: string): void {
    this.#outbox.disconnected();
    this.#requests.failAll(new NoAnswerError(`the connection broke: ${why}`));
  }

  #ended(reason: EndReason): void {
    clearTimeout(this.#timer);
    // A newer process of this device has taken over its storage: ours must not overwrite what it writes.
    if (reason === 'replaced') this.#conversations.abandon();
    else void this.#conversations.finish();
    this.#outbox.close(`the client has ended (${reason}); the message is in its outbox`);
    this.#events.emit('ended', reason);
  }

  /** Has `#tick` run soon. Nothing runs while there is nothing to do: a phone may sleep. */
  #wake(): void {
    if (this.#timer !== undefined || this.#connection.state === 'ended') return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tick();
    }, TICK_MS);
  }

  #tick(): void {
    if (this.#connection.isOpen) {
      this.#requests.expire();
      this.#outbox.pump();
      this.#reads.flush();
      this.#conversations.askForHoles();
    }
    void this.#conversations.flush();
    const waits = this.#outbox.size + this.#requests.size > 0 || this.#conversations.hasHoles;
    if (this.#conversations.hasNews || (this.#connection.isOpen && waits)) this.#wake();
  }

  #frame(frame: ServerFrame): void {
    const { body, requestId } = frame;
    this.#wake();
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
        emitNotice(this.#events, frame);
        return;
      case 'position':
        this.#conversations.position(body.value);
        return;
      case 'syncComplete':
        this.#device.marksSinceMs = body.value.serverTimeMs;
        return;
      default:
        if (!this.#requests.answer(requestId, frame)) emitNotice(this.#events, frame);
    }
  }

  #show(deliver: Deliver): Promise<void> | undefined {
    const message = messageOf(deliver);
    const { conversationId, clientMessageId, seq, serverTimeMs, from } = message;
    const own = from.userId === this.userId && from.deviceId === this.deviceId;
    // An own message that comes as a delivery: its ack was lost with a socket.
    if (own && this.#outbox.seen({ conversationId, clientMessageId, seq, serverTimeMs })) return undefined;
    const { storeMessage } = this.#options;
    const emit = (): void => {
      this.#events.emit('message', message);
    };
    if (storeMessage !== undefined) return Promise.resolve(message).then(storeMessage).then(emit);
    emit();
    return undefined;
  }

  #acked(requestId: number, ack: SendAck): void {
    const { conversationId, clientMessageId } = ack;
    const sent = { conversationId, clientMessageId, seq: Number(ack.seq), serverTimeMs: Number(ack.serverTimeMs) };
    // The seq is taken before the app hears of it, so that `seen` is right when `send` resolves.
    this.#conversations.own(conversationId, sent.seq);
    if (!this.#outbox.acked(requestId, sent)) this.#outbox.seen(sent);
  }

  #refused(requestId: number, error: RefusedError): void {
    if (this.#outbox.refused(requestId, error) || this.#requests.fail(requestId, error)) return;
    this.#events.emit('problem', error);
  }
}
