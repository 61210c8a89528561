import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  ClientFrameSchema,
  type ClientFrame,
  type ServerFrame,
} from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { HelloSchema, Welcome } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { edgeAddresses } from './addresses.js';
import { Backoff } from './backoff.js';
import type { Codec } from './codec.js';
import { errorOf, isSignedOut, RefusedError } from './errors.js';
import type { Socket, SocketFactory } from './socket.js';
import { TokenRenewal } from './token-renewal.js';
import type { TokenSource } from './tokens.js';

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
const FAREWELL_DEFAULT_MS = 1_000;
/** After 4429 the server wants a minute's peace. */
const TOO_FAST_WAIT_MS = 60_000;
const TICK_MS = 1_000;
const DEFAULT_MAX_FRAME_BYTES = 65_536;

type Body = NonNullable<MessageInitShape<typeof ClientFrameSchema>['body']>;

/** Keeps one socket to one of the edges: connects, says hello, keeps alive, renews the token, resumes elsewhere. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #backoff = new Backoff();
  readonly #configured: readonly string[];
  readonly #renewal = new TokenRenewal();
  #edges: readonly string[];
  #edge = 0;
  #socket: Socket | undefined;
  /** Counts sockets: what an older one says is not heard. */
  #attempt = 0;
  #state: ConnectionState = 'offline';
  #renew = false;
  #heartbeatMs = 20_000;
  #maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  #openedAt = 0;
  #heardAt = 0;
  #saidAt = 0;
  #requestId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#edges = this.#configured = edgeAddresses(options.edges);
    this.#edge = Math.floor(Math.random() * this.#edges.length);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The edge in use, or the one that is tried next. */
  get edge(): string {
    return this.#edges[this.#edge % this.#edges.length] ?? '';
  }

  /** Whether there is a socket that has been welcomed. */
  get isOpen(): boolean {
    return this.#socket !== undefined && (this.#state === 'online' || this.#state === 'syncing');
  }

  nextRequestId(): number {
    this.#requestId = (this.#requestId % 0xffff_ffff) + 1;
    return this.#requestId;
  }

  start(): void {
    if (this.#ticker !== undefined || this.#state === 'ended') return;
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
    if (this.#ticker === undefined || this.#state === 'ended') return;
    this.#abandon('asked to reconnect');
    this.#edge += 1;
    void this.#connect();
  }

  /**
   * Whether the frame went to a socket that has been welcomed.
   * @throws RefusedError when the frame is larger than the server takes: sending it would cost the socket
   */
  send(body: Body, requestId = 0): boolean {
    if (!this.isOpen) return false;
    this.#write(body, requestId);
    return true;
  }

  #write(body: Body, requestId: number): void {
    const frame: ClientFrame = create(ClientFrameSchema, { requestId, body });
    const data = this.#options.codec.encode(frame);
    const bytes = byteLength(data);
    if (bytes > this.#maxFrameBytes) {
      const message = `a frame of ${String(bytes)} bytes; the server takes ${String(this.#maxFrameBytes)}`;
      throw new RefusedError({ reason: 'INVALID_ARGUMENT', message, field: body.case });
    }
    this.#saidAt = this.#options.now();
    this.#socket?.send(data);
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#setState('connecting', this.edge);
    try {
      const { token } = await this.#options.tokens.accessToken(this.#renew);
      if (attempt !== this.#attempt) return;
      this.#renew = false;
      this.#open(token, attempt);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (isSignedOut(error)) this.stop('signed-out');
      else this.#failed(errorOf(error).message);
    }
  }

  #open(accessToken: string, attempt: number): void {
    this.#openedAt = this.#heardAt = this.#options.now();
    const current = (): boolean => attempt === this.#attempt;
    this.#socket = this.#options.socket(
      {
        url: `${this.edge}/v1/ws`,
        subprotocol: this.#options.codec.subprotocol,
        accessToken,
        ticket: () => this.#options.ticket(accessToken),
      },
      {
        opened: () => {
          if (current()) this.#write({ case: 'hello', value: this.#listener.hello() }, this.nextRequestId());
        },
        message: (data) => {
          if (current()) this.#heard(data);
        },
        closed: (code, reason) => {
          if (current()) this.#closed(code, reason);
        },
      },
    );
  }

  #heard(data: string | Uint8Array): void {
    this.#heardAt = this.#options.now();
    let frame: ServerFrame;
    try {
      frame = this.#options.codec.decode(data);
    } catch (error) {
      this.#failed(`the edge sent what is not a frame: ${errorOf(error).message}`);
      return;
    }
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
      case 'error':
        this.#listener.frame(frame);
        // Before the welcome there is one request, the hello.
        if (this.#state === 'connecting') this.#failed(`hello was refused: ${frame.body.value.reason}`);
        return;
      default:
        this.#listener.frame(frame);
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#heartbeatMs = welcome.heartbeatMs || this.#heartbeatMs;
    this.#maxFrameBytes = welcome.limits?.maxFrameBytes || DEFAULT_MAX_FRAME_BYTES;
    // Those that the app was configured with stay: the server's addresses may not be reachable from everywhere.
    const current = this.edge;
    this.#edges = [...new Set([...welcome.edges, ...this.#configured, current])];
    this.#edge = this.#edges.indexOf(current);
    this.#renewal.welcomed({
      serverTimeMs: Number(welcome.serverTimeMs),
      expiresAtMs: Number(welcome.tokenExpiresAtMs),
      nowMs: this.#options.now(),
    });
    this.#setState('syncing', this.edge);
    this.#listener.welcomed(welcome);
  }

  #farewell(delayMs: number, edge: string): void {
    if (edge !== '' && !this.#edges.includes(edge)) this.#edges = [...this.#edges, edge];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#abandon('the edge asked to reconnect');
        this.#edge = edge === '' ? this.#edge + 1 : this.#edges.indexOf(edge);
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
    const why = `closed with ${String(code)}${reason === '' ? '' : `: ${reason}`}`;
    this.#failed(why, code === 4429 ? TOO_FAST_WAIT_MS : 0);
  }

  /** This attempt is over; the next one, at another edge, comes after a wait. */
  #failed(why: string, leastMs = 0): void {
    if (this.#state === 'ended') return;
    this.#abandon(why);
    this.#edge += 1;
    this.#timer = setTimeout(() => {
      void this.#connect();
    }, leastMs + this.#backoff.next());
  }

  /** From here on nobody listens to the socket of this attempt. */
  #abandon(why: string): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#setState('offline', why);
  }

  #tick(): void {
    if (this.#socket === undefined) return;
    const now = this.#options.now();
    if (this.#state === 'connecting') {
      if (now - this.#openedAt > OPEN_TIMEOUT_MS) this.#failed('no welcome in time');
      return;
    }
    if (now - this.#heardAt > 2.5 * this.#heartbeatMs) {
      this.#failed('the edge is silent');
      return;
    }
    const quiet = now - this.#saidAt > this.#heartbeatMs / 2 || now - this.#heardAt > this.#heartbeatMs;
    if (quiet) this.#write({ case: 'ping', value: {} }, 0);
    if (this.#renewal.takeDue(now)) void this.#renewInBand();
  }

  async #renewInBand(): Promise<void> {
    const attempt = this.#attempt;
    try {
      const token = await this.#options.tokens.accessToken(true);
      if (attempt !== this.#attempt) return;
      this.#write({ case: 'reauth', value: { accessToken: token.token } }, 0);
      this.#renewal.renewed(token.expiresAtMs, this.#options.now());
    } catch (error) {
      // The socket goes on until the server closes it with 4401; the next attempt then decides.
      if (attempt === this.#attempt) this.#renewal.failed(isSignedOut(error), this.#options.now());
    }
  }

  #setState(state: ConnectionState, detail: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#listener.state(state, detail);
  }
}

function byteLength(data: string | Uint8Array): number {
  return typeof data === 'string' ? new TextEncoder().encode(data).length : data.length;
}
