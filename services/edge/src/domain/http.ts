/** An HTTP request of a client, read to its end. */
export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly origin: string;
  /** The peer's IP address. */
  readonly address: string;
  readonly body: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The request of a WebSocket handshake. */
export interface UpgradeRequest {
  readonly subprotocols: readonly string[];
  readonly authorization: string;
  readonly origin: string;
  /** The peer's IP address. */
  readonly address: string;
}

export const jsonResponse = (status: number, body: unknown): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(body)}\n`,
});
