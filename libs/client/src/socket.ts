/** What the client hears from a socket. */
export interface SocketListener {
  opened(): void;
  message(data: string | Uint8Array): void;
  /**
   * Once, whether the socket had opened or not. `code` 1006: the connection broke or was refused; 4401: the access token
   * was refused, at the upgrade too.
   */
  closed(code: number, reason: string): void;
}

export interface Socket {
  send(data: string | Uint8Array): void;
  /** Nobody listens any more; what was sent before still goes out where the network allows it. */
  close(code?: number): void;
}

export interface SocketRequest {
  readonly url: string;
  readonly subprotocol: string;
  readonly accessToken: string;
  /** Asks for a one-time ticket, for sockets that can't send headers. */
  readonly ticket: () => Promise<string>;
}

/**
 * Opens sockets: `nodeSocket` (ws) or `webSocket` (browsers, React Native, Deno, Bun). Calls the listener only after it
 * has returned.
 */
export type SocketFactory = (request: SocketRequest, listener: SocketListener) => Socket;
