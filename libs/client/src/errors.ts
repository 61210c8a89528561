import type { Error as WireError } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';

/** What is stored under a client message id that was used for another body. */
export interface StoredUnderId {
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly bodyHash: Uint8Array;
}

/** The server refused a request for good. `reason` is from the table in docs/protocol.md. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly reason: string;
  readonly field: string | undefined;
  /** 0: trying again will not help. */
  readonly retryAfterMs: number;
  readonly stored: StoredUnderId | undefined;

  constructor(details: {
    reason: string;
    message: string;
    field?: string | undefined;
    retryAfterMs?: number;
    stored?: StoredUnderId | undefined;
  }) {
    super(details.message === '' ? details.reason : details.message);
    this.reason = details.reason;
    this.field = details.field === '' ? undefined : details.field;
    this.retryAfterMs = details.retryAfterMs ?? 0;
    this.stored = details.stored;
  }
}

/** The request got no answer: not connected, the socket broke, or it took too long. Sends never end so by themselves. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

const SIGNED_OUT = new Set([
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'DEVICE_REMOVED',
  'REFRESH_TOKEN_INVALID',
  'REFRESH_TOKEN_REUSED',
  'HTTP_401',
]);

/** Whether the server does not know this device (any more), or its token. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof RefusedError && SIGNED_OUT.has(error.reason);
}

export function errorOf(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}

export function refusedError(error: WireError): RefusedError {
  return new RefusedError({
    reason: error.reason,
    message: error.message,
    field: error.field,
    retryAfterMs: error.retryAfterMs,
    stored:
      error.stored === undefined
        ? undefined
        : {
            seq: Number(error.stored.seq),
            serverTimeMs: Number(error.stored.serverTimeMs),
            bodyHash: error.stored.bodyHash,
          },
  });
}
