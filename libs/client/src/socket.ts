/** What the client hears from a socket. */
export interface SocketListener {
  opened(): void;
  message(data: string | Uint8Array): void;
  /** Once, whether the socket had opened or not. `code` 1006: the connection broke or was refused. */
  closed(code: number, reason: string): void;
}

export interface Socket {
  send(data: string | Uint8Array): void;
  /** After this, `closed` comes soon, with or without the server's help. */
  close(code?: number): void;
}

export interface SocketRequest {
  readonly url: string;
  readonly subprotocol: string;
  readonly accessToken: string;
  /** Asks for a one-time ticket, for sockets that can't send headers. */
  readonly ticket: () => Promise<string>;
}

/** Opens sockets: `nodeSocket` (ws) or `webSocket` (browsers, React Native, Deno, Bun). */
export type SocketFactory = (request: SocketRequest, listener: SocketListener) => Socket;
