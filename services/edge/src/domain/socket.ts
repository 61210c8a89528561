/** A WebSocket, as the rest of the edge sees it. Calls on a socket that has closed do nothing. */
export interface Socket {
  /** Takes the data (text frame for a string). False: the socket has closed, or is being closed for reading too slowly. */
  send(data: string | Uint8Array): boolean;
  /** Frames sent by `work` leave in as few packets as they fit in. */
  cork(work: () => void): void;
  /** Bytes taken that the kernel has not. */
  readonly buffered: number;
  close(code: CloseCode, reason: string): void;
}

/** Why the edge closes a socket. docs/protocol.md tells clients what to do about each. */
export const CloseCode = {
  /** The edge is stopping. */
  goingAway: 1001,
  /** A frame over the limit. */
  frameTooLarge: 1009,
  /** The edge can't serve the socket now; another may. */
  tryAgainLater: 1013,
  protocolViolation: 4400,
  /** Token expired or revoked. */
  unauthorized: 4401,
  /** No `hello` in time. */
  helloTimeout: 4408,
  /** The device has a newer socket. */
  superseded: 4409,
  /** Far over the rate limits. */
  abuse: 4429,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];
