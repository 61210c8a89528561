import { status } from '@grpc/grpc-js';
import { RpcError } from '@godwit/rpc/rpc-error';
import { Refused, type Refusal } from '../domain/refusal.js';

const CODES: Readonly<Record<string, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  CONVERSATION_NOT_FOUND: status.NOT_FOUND,
  USER_NOT_FOUND: status.NOT_FOUND,
  MESSAGE_NOT_FOUND: status.NOT_FOUND,
  NOT_A_MEMBER: status.PERMISSION_DENIED,
  NOT_AN_ADMIN: status.PERMISSION_DENIED,
  ADMINS_ONLY: status.PERMISSION_DENIED,
  BLOCKED: status.PERMISSION_DENIED,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
};

/** A refusal as the status of a call. */
export const refusedCall = ({ reason, message, field, retryAfterMs }: Refusal): RpcError =>
  new RpcError({ code: CODES[reason] ?? status.FAILED_PRECONDITION, reason, message, field, retryAfterMs });

/** Runs a call whose refusals are its status. */
export const answering = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Refused ? refusedCall(error.refusal) : error;
  }
};
