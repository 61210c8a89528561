/** Why a request is not done; becomes a client `Error`. The reasons stand in docs/protocol.md. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
  /** Of the request; empty when no single field is to blame. */
  readonly field?: string;
  /** 0 or absent: trying again will not help. */
  readonly retryAfterMs?: number;
}

const UNAVAILABLE_RETRY_MS = 1_000;

export const malformed = (message: string, field = ''): Refusal => ({ reason: 'MALFORMED_FRAME', message, field });

export const invalid = (field: string, message: string): Refusal => ({ reason: 'INVALID_ARGUMENT', message, field });

export const rateLimited = (what: string, retryAfterMs: number): Refusal => ({
  reason: 'RATE_LIMITED',
  message: `too many ${what}`,
  retryAfterMs,
});

export const unavailable = (message: string): Refusal => ({
  reason: 'UNAVAILABLE',
  message,
  retryAfterMs: UNAVAILABLE_RETRY_MS,
});

export const overloaded = (message: string): Refusal => ({
  reason: 'OVERLOADED',
  message,
  retryAfterMs: UNAVAILABLE_RETRY_MS,
});
