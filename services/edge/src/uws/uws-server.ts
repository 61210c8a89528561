import uws, {
  type HttpRequest as UwsRequest,
  type HttpResponse as UwsResponse,
  type TemplatedApp,
  type WebSocket,
  type us_listen_socket,
  type us_socket_context_t,
} from 'uWebSockets.js';
import { jsonResponse, type HttpRequest, type HttpResponse, type UpgradeRequest } from '../domain/http.js';
import { CloseCode, type Socket } from '../domain/socket.js';
import { CorkHolder } from './cork-holder.js';

// Only this folder knows uWebSockets.js. What it uses exists in the binaries for Node 20 and for Node 22 and newer.

/** A handshake is answered with a socket for `identity`, or with a refusal. */
export type Admission<I> =
  | { readonly ok: true; readonly subprotocol: string; readonly identity: I }
  | { readonly ok: false; readonly response: HttpResponse };

/** What happens to sockets. `I` says whose a socket is, `C` is what the edge keeps of it. */
export interface ServerHandlers<I, C> {
  readonly admit: (request: UpgradeRequest) => Promise<Admission<I>>;
  readonly opened: (socket: Socket, identity: I) => C;
  /** `data` may be looked at until this returns, not later. */
  readonly message: (connection: C, data: Uint8Array, isBinary: boolean) => void;
  /** The socket has room again. */
  readonly drained: (connection: C) => void;
  /** `code`: the close code, 1006 without one. */
  readonly closed: (connection: C, code: number) => void;
  readonly request: (request: HttpRequest) => Promise<HttpResponse>;
  /** A handler has failed: a bug, to be logged. */
  readonly failed: (error: unknown) => void;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly webSocketPath: string;
  readonly maxFrameBytes: number;
  readonly maxBodyBytes: number;
  /** A socket that lags behind by more is closed. */
  readonly maxBackpressureBytes: number;
  /** A socket is closed that has not even answered pings for so long. */
  readonly idleTimeoutSeconds: number;
  /** Certificate and key files; none: plain text. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Take the client's address from the last entry of X-Forwarded-For, which our own proxy has written. */
  readonly trustProxy: boolean;
}

// A frame over uWebSockets.js's own limit breaks the connection without a word. So that one stands higher, and a client that
// is only a little wrong gets its close code.
const HARD_LIMIT_FACTOR = 4;

/** Newer binaries send the Latin-1 of a string that has no other characters (uNetworking/uWebSockets.js#1280): bytes are safe. */
const utf8 = (text: string): Uint8Array => Buffer.from(text);

interface UserData<I, C> {
  socket: UwsSocket<I, C>;
}

class UwsSocket<I, C> implements Socket {
  #ws: WebSocket<UserData<I, C>> | undefined;
  identity: I | undefined;
  connection: C | undefined;

  constructor(identity: I) {
    this.identity = identity;
  }

  attach(ws: WebSocket<UserData<I, C>>): void {
    this.#ws = ws;
  }

  detach(): void {
    this.#ws = undefined;
  }

  get buffered(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  send(data: string | Uint8Array): boolean {
    if (this.#ws === undefined) return false;
    const status = typeof data === 'string' ? this.#ws.send(utf8(data), false) : this.#ws.send(data, true);
    // 2: dropped, over the backpressure limit; the socket is closing for it.
    return status !== 2;
  }

  cork(work: () => void): void {
    if (this.#ws === undefined) work();
    else this.#ws.cork(work);
  }

  close(code: CloseCode, reason: string): void {
    this.#ws?.end(code, reason);
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const respond = (res: UwsResponse, { status, headers, body }: HttpResponse): void => {
  res.cork(() => {
    res.writeStatus(`${String(status)} ${REASONS[status] ?? 'Unknown'}`);
    for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value);
    if (body === '') res.endWithoutBody(0);
    else res.end(utf8(body));
  });
};

const INTERNAL = jsonResponse(500, { reason: 'INTERNAL', message: 'internal error' });

export class UwsServer<I, C> {
  readonly #options: ServerOptions;
  readonly #handlers: ServerHandlers<I, C>;
  readonly #app: TemplatedApp;
  #listening: us_listen_socket | undefined;
  #corkHolder: CorkHolder | undefined;

  constructor(options: ServerOptions, handlers: ServerHandlers<I, C>) {
    this.#options = options;
    this.#handlers = handlers;
    const { tls } = options;
    this.#app = tls === undefined ? uws.App() : uws.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key });
    this.#addWebSockets();
    this.#app.any('/*', (res, req) => {
      this.#onRequest(res, req);
    });
  }

  /** Gives the port it listens on. */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    this.#corkHolder = await CorkHolder.open();
    return new Promise((resolve, reject) => {
      this.#app.listen(host, port, (listening: us_listen_socket | false) => {
        if (listening === false) {
          reject(new Error(`${host}:${String(port)} can't be listened on: is it in use?`));
          return;
        }
        this.#listening = listening;
        resolve(uws.us_socket_local_port(listening));
      });
    });
  }

  stopListening(): void {
    if (this.#listening !== undefined) uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  /** Closes whatever is still open. */
  close(): void {
    this.#listening = undefined;
    this.#app.close();
    this.#corkHolder?.close();
  }

  #addWebSockets(): void {
    const { webSocketPath, maxFrameBytes, maxBackpressureBytes, idleTimeoutSeconds } = this.#options;
    this.#app.ws<UserData<I, C>>(webSocketPath, {
      compression: uws.DISABLED,
      maxPayloadLength: maxFrameBytes * HARD_LIMIT_FACTOR,
      maxBackpressure: maxBackpressureBytes,
      closeOnBackpressureLimit: 1,
      idleTimeout: idleTimeoutSeconds,
      // Keeps sockets of clients alive that have nothing to say, and finds those whose peer is gone.
      sendPingsAutomatically: true,
      maxLifetime: 0,
      upgrade: (res, req, context) => {
        this.#onUpgrade(res, req, context);
      },
      open: (ws) => {
        const { socket } = ws.getUserData();
        socket.attach(ws);
        if (socket.identity === undefined) return;
        socket.connection = this.#handlers.opened(socket, socket.identity);
        socket.identity = undefined;
      },
      message: (ws, data, isBinary) => {
        const { connection } = ws.getUserData().socket;
        if (data.byteLength > maxFrameBytes) ws.end(CloseCode.frameTooLarge, `at most ${String(maxFrameBytes)} bytes`);
        else if (connection !== undefined) this.#handlers.message(connection, new Uint8Array(data), isBinary);
      },
      drain: (ws) => {
        const { connection } = ws.getUserData().socket;
        if (connection !== undefined) this.#handlers.drained(connection);
      },
      close: (ws, code) => {
        const { socket } = ws.getUserData();
        socket.detach();
        if (socket.connection !== undefined) this.#handlers.closed(socket.connection, code);
      },
    });
  }

  // Everything is read from the request before the first await: afterwards it is gone.
  #onUpgrade(res: UwsResponse, req: UwsRequest, context: us_socket_context_t): void {
    const key = req.getHeader('sec-websocket-key');
    const extensions = req.getHeader('sec-websocket-extensions');
    const request: UpgradeRequest = {
      subprotocols: req
        .getHeader('sec-websocket-protocol')
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
      authorization: req.getHeader('authorization'),
      origin: req.getHeader('origin'),
      address: this.#addressOf(res, req),
    };
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
    });
    const answer = (admission: Admission<I>): void => {
      if (aborted) return;
      if (!admission.ok) {
        respond(res, admission.response);
        return;
      }
      const socket = new UwsSocket<I, C>(admission.identity);
      this.#corkHolder?.cork(() => {
        res.upgrade<UserData<I, C>>({ socket }, key, admission.subprotocol, extensions, context);
      });
    };
    this.#handlers.admit(request).then(answer, (error: unknown) => {
      this.#handlers.failed(error);
      answer({ ok: false, response: INTERNAL });
    });
  }

  #onRequest(res: UwsResponse, req: UwsRequest): void {
    const head = {
      method: req.getMethod().toUpperCase(),
      path: req.getUrl(),
      authorization: req.getHeader('authorization'),
      origin: req.getHeader('origin'),
      address: this.#addressOf(res, req),
    };
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
    });
    const answer = (response: HttpResponse): void => {
      if (!aborted) respond(res, response);
    };
    this.#readBody(res, (body) => {
      if (aborted) return;
      if (body === undefined) {
        const { maxBodyBytes } = this.#options;
        answer(jsonResponse(413, { reason: 'TOO_LARGE', message: `at most ${String(maxBodyBytes)} bytes` }));
        return;
      }
      this.#handlers.request({ ...head, body }).then(answer, (error: unknown) => {
        this.#handlers.failed(error);
        answer(INTERNAL);
      });
    });
  }

  /** Calls back once: with the body, or with undefined as soon as it is too large. */
  #readBody(res: UwsResponse, done: (body: Uint8Array | undefined) => void): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let tooLarge = false;
    res.onData((chunk, isLast) => {
      if (tooLarge) return;
      bytes += chunk.byteLength;
      tooLarge = bytes > this.#options.maxBodyBytes;
      if (tooLarge) done(undefined);
      // The chunk's memory is the server's; a copy outlives this call.
      else chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (isLast && !tooLarge) done(Buffer.concat(chunks));
    });
  }

  #addressOf(res: UwsResponse, req: UwsRequest): string {
    const forwarded = this.#options.trustProxy ? req.getHeader('x-forwarded-for').split(',').at(-1)?.trim() : '';
    return forwarded !== undefined && forwarded !== ''
      ? forwarded
      : Buffer.from(res.getRemoteAddressAsText()).toString();
  }
}
