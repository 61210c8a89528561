import { Metadata, status } from '@grpc/grpc-js';
import { ErrorInfo } from '@godwit/proto/gen/grpc/google/rpc/error_details';
import { Status } from '@godwit/proto/gen/grpc/google/rpc/status';

// The error model of gRPC: a status code for machines in between, and in `grpc-status-details-bin` a
// google.rpc.ErrorInfo {domain, reason, metadata} for programs at the ends.

export const ERROR_DOMAIN = 'godwit';
const DETAILS_KEY = 'grpc-status-details-bin';
const ERROR_INFO_TYPE = 'type.googleapis.com/google.rpc.ErrorInfo';

/** `OK`, `UNAVAILABLE`: the name of a code, for people and metrics. */
export const codeName = (code: status): keyof typeof status => status[code] as keyof typeof status;

export interface RpcErrorFields {
  readonly code: status;
  /** UPPER_SNAKE_CASE; part of the API. */
  readonly reason: string;
  /** For the person who reads it: what is wrong and with what. No secrets, no payload. */
  readonly message: string;
  /** The field of the request that is to blame, as a path: `members[3].user_id`. */
  readonly field?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** An error that a caller may see. Handlers throw it; the server makes a status of it. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: status;
  readonly reason: string;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor({ code, reason, message, field, retryAfterMs }: RpcErrorFields) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }
}

export const invalidArgument = (field: string, message: string, reason = 'INVALID_ARGUMENT'): RpcError =>
  new RpcError({ code: status.INVALID_ARGUMENT, reason, message, field });

export const notFound = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.NOT_FOUND, reason, message });

export const alreadyExists = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.ALREADY_EXISTS, reason, message });

export const permissionDenied = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.PERMISSION_DENIED, reason, message });

export const unauthenticated = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.UNAUTHENTICATED, reason, message });

export const failedPrecondition = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.FAILED_PRECONDITION, reason, message });

/** Another attempt, perhaps elsewhere, may succeed: idempotent calls are retried on it. */
export const unavailable = (reason: string, message: string): RpcError =>
  new RpcError({ code: status.UNAVAILABLE, reason, message });

export const resourceExhausted = (reason: string, message: string, retryAfterMs?: number): RpcError =>
  new RpcError({ code: status.RESOURCE_EXHAUSTED, reason, message, retryAfterMs });

/** Nobody waits for the answer any more; seen only by whoever counts. */
export const abandoned = (): RpcError =>
  new RpcError({ code: status.DEADLINE_EXCEEDED, reason: 'ABANDONED', message: 'the caller has given up' });

/** What grpc-js sends for an error. */
export interface ErrorStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

export const toErrorStatus = (error: RpcError): ErrorStatus => {
  const info = ErrorInfo.encode({
    domain: ERROR_DOMAIN,
    reason: error.reason,
    metadata: {
      ...(error.field === undefined ? {} : { field: error.field }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: String(error.retryAfterMs) }),
    },
  }).finish();
  const detail = { typeUrl: ERROR_INFO_TYPE, value: Buffer.from(info) };
  const encoded = Status.encode({ code: error.code, message: error.message, details: [detail] }).finish();
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(encoded));
  return { code: error.code, details: error.message, metadata };
};

const codeOf = (error: Error): status | undefined => {
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'number' && code > 0 && status[code] !== undefined ? code : undefined;
};

const decodeInfo = (error: Error): ErrorInfo | undefined => {
  const metadata = 'metadata' in error ? error.metadata : undefined;
  if (!(metadata instanceof Metadata)) return undefined;
  const encoded = metadata.get(DETAILS_KEY)[0];
  if (!(encoded instanceof Buffer)) return undefined;
  try {
    const detail = Status.decode(encoded).details.find((any) => any.typeUrl === ERROR_INFO_TYPE);
    return detail === undefined ? undefined : ErrorInfo.decode(detail.value);
  } catch {
    // A peer that sends garbage as details has sent none.
    return undefined;
  }
};

/** Reads our error back from what a call failed with; undefined when the error isn't one of Godwit's. */
export const errorInfo = (error: unknown): RpcError | undefined => {
  if (error instanceof RpcError) return error;
  if (!(error instanceof Error)) return undefined;
  const code = codeOf(error);
  const info = decodeInfo(error);
  if (code === undefined || info?.domain !== ERROR_DOMAIN) return undefined;
  const retryAfterMs = info.metadata['retryAfterMs'];
  return new RpcError({
    code,
    reason: info.reason,
    message: 'details' in error && typeof error.details === 'string' ? error.details : error.message,
    field: info.metadata['field'],
    retryAfterMs: retryAfterMs === undefined ? undefined : Number(retryAfterMs),
  });
};

/** The status code of a failed call, or undefined for errors that aren't from gRPC. */
export const statusOf = (error: unknown): status | undefined => (error instanceof Error ? codeOf(error) : undefined);

/** Worth another attempt at another replica, if the call is idempotent. */
export const isRetryable = (error: unknown): boolean => {
  const code = statusOf(error);
  return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
};
