import { status } from '@grpc/grpc-js';
import { RpcError } from '@godwit/rpc/rpc-error';
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

/** Makes gRPC errors of the refusals that the handlers of a service throw. */
export const withRefusals = <H extends Readonly<Record<string, AnyHandler>>>(handlers: H): H => {
  const wrapped = Object.entries(handlers).map(([name, handler]) => {
    const refusing: AnyHandler = async (request, context) => {
      try {
        return await handler(request, context);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const { kind, reason, message, detail } = error;
        throw new RpcError({ code: STATUS[kind], reason, message, ...detail });
      }
    };
    return [name, refusing];
  });
  return Object.fromEntries(wrapped) as H;
};
