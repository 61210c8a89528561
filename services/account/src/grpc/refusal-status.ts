import { status } from '@grpc/grpc-js';
import { isUncertain } from '@godwit/mongo/errors';
import { RpcError, unavailable } from '@godwit/rpc/rpc-error';
import type { Logger } from '@godwit/runtime/logger';
import { Refusal, type RefusalKind } from '../domain/refusal.js';

const STATUS: Readonly<Record<RefusalKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  precondition: status.FAILED_PRECONDITION,
  limited: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

type AnyHandler = (request: never, context: never) => Promise<unknown>;

/** The error as gRPC has it; undefined for what isn't expected. */
const statusFor = (error: unknown, logger: Logger): RpcError | undefined => {
  if (error instanceof Refusal) {
    const { kind, reason, message, detail } = error;
    return new RpcError({ code: STATUS[kind], reason, message, ...detail });
  }
  if (!isUncertain(error)) return undefined;
  logger.error({ err: error }, 'MongoDB did not answer');
  return unavailable('STORE_UNAVAILABLE', 'the accounts cannot be reached, try again');
};

/** Makes gRPC errors of the refusals that the handlers of a service throw, and of a database that is away. */
export const withRefusals = <H extends Readonly<Record<string, AnyHandler>>>(handlers: H, logger: Logger): H => {
  const wrapped = Object.entries(handlers).map(([name, handler]) => {
    const refusing: AnyHandler = async (request, context) => {
      try {
        return await handler(request, context);
      } catch (error) {
        throw statusFor(error, logger) ?? error;
      }
    };
    return [name, refusing];
  });
  return Object.fromEntries(wrapped) as H;
};
