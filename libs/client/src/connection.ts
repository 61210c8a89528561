import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  ClientFrameSchema,
  type ClientFrame,
  type ServerFrame,
} from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { HelloSchema, Welcome } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { Backoff } from './backoff.js';
import type { Codec } from './codec.js';
import { RefusedError } from './errors.js';
import type { Socket, SocketFactory } from './socket.js';
import type { AccessToken, TokenSource } from './tokens.js';

/** `ended`: the client stays away; the reason is in the `ended` event. */
export type ConnectionState = 'connecting' | 'syncing' | 'online' | 'offline' | 'ended';
export type EndReason = 'closed' | 'replaced' | 'signed-out';

export interface ConnectionOptions {
  /** Base addresses of edges, ws:// or wss://. */
  readonly edges: readonly string[];
  readonly tokens: TokenSource;
  readonly socket: SocketFactory;
  readonly codec: Codec;
  readonly ticket: (accessToken: string) => Promise<string>;
  /** Monotonic ms. */
  readonly now: () => number;
}

export interface ConnectionListener {
  hello(): MessageInitShape<typeof HelloSchema>;
  welcomed(welcome: Welcome): void;
  frame(frame: ServerFrame): void;
  state(state: ConnectionState, detail: string): void;
  ended(reason: EndReason): void;
}

const OPEN_TIMEOUT_MS = 10_000;
const REAUTH_BEFORE_MS = 60_000;
const FAREWELL_DEFAULT_MS = 1_000;
const TICK_MS = 250;

type Body = NonNullable<MessageInitShape<typeof ClientFrameSchema>['body']>;

/** Keeps one socket to one of the edges: connects, says hello, keeps alive, renews the token, resumes elsewhere. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #backoff = new Backoff();
  #edges: readonly string[];
  #edge = 0;
  #socket: Socket | undefined;
  /** Counts sockets: what an older one says is not heard. */
  #attempt = 0;
  #state: ConnectionState = 'offline';
  #token: AccessToken | undefined;
  #renew = false;
  #heartbeatMs = 20_000;
  #openedAt = 0;
  #heardAt = 0;
  #saidAt = 0;
  #reauthAsked = false;
  #requestId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#edges = options.edges;
    this.#edge = Math.floor(Math.random() * options.edges.length);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The edge in use, or the one that is tried next. */
  get edge(): string {
    return this.#edges[this.#edge % this.#edges.length] ?? '';
  }

  nextRequestId(): number {
    this.#requestId = (this.#requestId % 0xffff_ffff) + 1;
    return this.#requestId;
  }

  start(): void {
    if (this.#ticker !== undefined) return;
    this.#ticker = setInterval(() => {
      this.#tick();
    }, TICK_MS);
    void this.#connect();
  }

  stop(reason: EndReason): void {
    if (this.#state === 'ended') return;
    clearInterval(this.#ticker);
    clearTimeout(this.#timer);
    this.#attempt += 1;
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#setState('ended', reason);
    this.#listener.ended(reason);
  }

  /** Drops the socket and goes on, at another edge. For tests and for apps that know their network has changed. */
  reconnect(): void {
    this.#drop('asked to reconnect');
  }

  /** Whether the frame went to a socket that has been welcomed. */
  send(body: Body, requestId = 0): boolean {
    if (this.#socket === undefined || (this.#state !== 'online' && this.#state !== 'syncing')) return false;
    this.#write(body, requestId);
    return true;
  }

  #write(body: Body, requestId: number): void {
    const frame: ClientFrame = create(ClientFrameSchema, { requestId, body });
    this.#saidAt = this.#options.now();
    this.#socket?.send(this.#options.codec.encode(frame));
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#setState('connecting', this.edge);
    try {
      this.#token = await this.#options.tokens.accessToken(this.#renew);
    } catch (error) {
      if (attempt === this.#attempt) this.#tokenFailed(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#renew = false;
    this.#reauthAsked = false;
    const accessToken = this.#token.token;
    this.#openedAt = this.#heardAt = this.#options.now();
    this.#socket = this.#options.socket(
      {
        url: `${this.edge}/v1/ws`,
        subprotocol: this.#options.codec.subprotocol,
        accessToken,
        ticket: () => this.#options.ticket(accessToken),
      },
      {
        opened: () => {
          if (attempt === this.#attempt)
            this.#write({ case: 'hello', value: this.#listener.hello() }, this.nextRequestId());
        },
        message: (data) => {
          if (attempt === this.#attempt) this.#heard(data);
        },
        closed: (code, reason) => {
          if (attempt === this.#attempt) this.#closed(code, reason);
        },
      },
    );
  }

  #tokenFailed(error: unknown): void {
    const final = error instanceof RefusedError && error.retryAfterMs === 0;
    if (final) this.stop('signed-out');
    else this.#retry(`no access token: ${error instanceof Error ? error.message : String(error)}`);
  }

  #heard(data: string | Uint8Array): void {
    this.#heardAt = this.#options.now();
    const frame = this.#options.codec.decode(data);
    switch (frame.body.case) {
      case 'welcome':
        this.#welcomed(frame.body.value);
        return;
      case 'syncComplete':
        this.#backoff.reset();
        this.#listener.frame(frame);
        this.#setState('online', this.edge);
        return;
      case 'reconnect':
        this.#farewell(frame.body.value.delayMs, frame.body.value.edge);
        return;
      case 'pong':
        return;
      default:
        this.#listener.frame(frame);
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#heartbeatMs = welcome.heartbeatMs || this.#heartbeatMs;
    if (welcome.edges.length > 0) {
      const current = this.edge;
      this.#edges = welcome.edges;
      this.#edge = Math.max(0, welcome.edges.indexOf(current));
    }
    this.#setState('syncing', this.edge);
    this.#listener.welcomed(welcome);
  }

  #farewell(delayMs: number, edge: string): void {
    const wanted = this.#edges.indexOf(edge);
    const attempt = this.#attempt;
    this.#timer = setTimeout(
      () => {
        if (attempt !== this.#attempt) return;
        this.#abandon('the edge asked to reconnect');
        this.#edge = wanted >= 0 ? wanted : this.#edge + 1;
        void this.#connect();
      },
      delayMs === 0 ? FAREWELL_DEFAULT_MS * Math.random() : delayMs,
    );
  }

  #closed(code: number, reason: string): void {
    this.#socket = undefined;
    if (code === 4409) {
      this.stop('replaced');
      return;
    }
    if (code === 4401) this.#renew = true;
    this.#abandon(reason);
    this.#edge += 1;
    this.#retry(`closed with ${code}${reason === '' ? '' : `: ${reason}`}`);
  }

  #drop(why: string): void {
    if (this.#state === 'ended') return;
    this.#abandon(why);
    this.#edge += 1;
    this.#retry(why);
  }

  /** From here on nobody listens to the socket of this attempt. */
  #abandon(why: string): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#setState('offline', why);
  }

  #retry(why: string): void {
    this.#setState('offline', why);
    const attempt = this.#attempt;
    this.#timer = setTimeout(() => {
      if (attempt === this.#attempt) void this.#connect();
    }, this.#backoff.next());
  }

  #tick(): void {
    if (this.#socket === undefined) return;
    const now = this.#options.now();
    if (this.#state === 'connecting') {
      if (now - this.#openedAt > OPEN_TIMEOUT_MS) this.#drop('no welcome in time');
      return;
    }
    if (now - this.#heardAt > 2.5 * this.#heartbeatMs) this.#drop('the edge is silent');
    else if (now - this.#saidAt > this.#heartbeatMs / 2 || now - this.#heardAt > this.#heartbeatMs) this.#ping(now);
    this.#renewInBand();
  }

  #ping(now: number): void {
    // A silent edge gets one ping a second, not one a tick.
    if (now - this.#saidAt > 1_000) this.#write({ case: 'ping', value: {} }, 0);
  }

  #renewInBand(): void {
    if (this.#reauthAsked || this.#token === undefined) return;
    if (this.#token.expiresAtMs - Date.now() > REAUTH_BEFORE_MS) return;
    this.#reauthAsked = true;
    const attempt = this.#attempt;
    this.#options.tokens.accessToken(true).then(
      (token) => {
        this.#token = token;
        if (attempt !== this.#attempt) return;
        this.#write({ case: 'reauth', value: { accessToken: token.token } }, 0);
        this.#reauthAsked = false;
      },
      () => {
        // The socket goes on until the server closes it with 4401; the next connect asks for a token again and decides.
        this.#renew = true;
      },
    );
  }

  #setState(state: ConnectionState, detail: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#listener.state(state, detail);
  }
}
