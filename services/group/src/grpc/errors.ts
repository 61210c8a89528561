import { status } from '@grpc/grpc-js';
import { isUncertain } from '@godwit/mongo/errors';
import { RpcError, unavailable } from '@godwit/rpc/rpc-error';
import { Refusal, type RefusalKind } from '../domain/refusal.js';

const CODES: Readonly<Record<RefusalKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'permission-denied': status.PERMISSION_DENIED,
  'failed-precondition': status.FAILED_PRECONDITION,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};
const RETRY_AFTER_MS = 1_000;

/** The error as gRPC has it; others than the rules' own stay what they are. */
const toRpcError = (error: unknown): unknown => {
  if (error instanceof Refusal) {
    const { kind, reason, message, field } = error;
    const retryAfterMs = kind === 'resource-exhausted' || kind === 'unavailable' ? RETRY_AFTER_MS : undefined;
    return new RpcError({ code: CODES[kind], reason, message, field, retryAfterMs });
  }
  // Every change here may be asked for again, whatever came of it.
  return isUncertain(error) ? unavailable('STORE_UNAVAILABLE', 'the store does not answer, try again') : error;
};

export const translated = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw toRpcError(error);
  }
};
