import {
  Metadata,
  Server,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import type { ServerWritableStream, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import { HealthImplementation, type ServingStatusMap } from 'grpc-health-check';
import { formatHostPort } from '@godwit/ring/node-address';
import type { TlsFiles } from '@godwit/runtime/base-config';
import type { HostPort } from '@godwit/runtime/config';
import { within } from '@godwit/runtime/deferred';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { rpcServerSeconds, rpcServerStreams } from '@godwit/telemetry/catalogue/libs';
import type { HistogramChild, Metrics } from '@godwit/telemetry/metrics';
import { traced } from '@godwit/tracing/spans';
import {
  createAuthenticate,
  textOf,
  TRACEPARENT_KEY,
  type Authenticate,
  type Caller,
  type ServerAuth,
} from './authenticate.js';
import { CallContext } from './call-context.js';
import { serverChannelOptions, serverCredentials } from './channel.js';
import {
  serviceNameOf,
  type AnyMethod,
  type Definition,
  type MethodKind,
  type RequestOf,
  type ResponseOf,
} from './method.js';
import { addReflection } from './reflection.js';
import {
  abandoned,
  codeName,
  errorInfo,
  invalidArgument,
  RpcError,
  statusOf,
  toErrorStatus,
  unavailable,
} from './rpc-error.js';
import { ServerStream } from './server-stream.js';

/** How each kind of method is written: plain functions that throw RpcError. */
type HandlerOf<M extends AnyMethod> = {
  readonly unary: (request: RequestOf<M>, context: CallContext) => Promise<ResponseOf<M>>;
  readonly 'server-streaming': (request: RequestOf<M>, context: CallContext) => AsyncIterable<ResponseOf<M>>;
  readonly bidirectional: (stream: ServerStream<RequestOf<M>, ResponseOf<M>>, context: CallContext) => void;
  readonly 'client-streaming': never;
}[MethodKind<M>];

export type Handlers<D extends Definition> = { readonly [N in keyof D]: HandlerOf<D[N]> };

/** A service with its handlers, ready to be served. */
export interface ServedService {
  readonly definition: Definition;
  readonly handlers: Readonly<Record<string, unknown>>;
  readonly apiKeyScopes: Readonly<Record<string, string | undefined>>;
}

/**
 * Binds handlers to a service. `apiKeyScopes` names the methods that callers with an API key may use, and the scope
 * each asks for; all others are for the fleet.
 */
export const serve = <D extends Definition>(
  definition: D,
  handlers: Handlers<D>,
  apiKeyScopes: { readonly [N in keyof D]?: string } = {},
): ServedService => ({ definition, handlers, apiKeyScopes: apiKeyScopes });

export interface RpcServerOptions {
  readonly listen: HostPort;
  readonly services: readonly ServedService[];
  readonly auth: ServerAuth;
  readonly tls?: TlsFiles | undefined;
  readonly metrics: Metrics;
  readonly life: Lifecycle;
  /** Whether tools may discover the services; not in production. */
  readonly reflection: boolean;
}

export interface RpcServer {
  /** The port it listens on (of use where 0 was configured). */
  readonly port: number;
}

interface Serving {
  readonly authenticate: Authenticate;
  readonly metrics: Metrics;
  readonly life: Lifecycle;
  readonly streams: Set<ServerStream<unknown, unknown>>;
}

type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>;

/** What OpenTelemetry's conventions call an error of the server. */
const FAILURES: ReadonlySet<status | undefined> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

// Calls that are under way when the process stops get this long.
const DRAIN_MS = 5_000;

/**
 * A gRPC server with what every one of ours has: authentication, required deadlines, typed errors, metrics, health
 * (grpc.health.v1, without credentials), reflection, and a stop in order. It is accepting when this resolves.
 */
export const startRpcServer = async (options: RpcServerOptions): Promise<RpcServer> => {
  const { life, services } = options;
  const server = new Server(serverChannelOptions);
  const serving: Serving = {
    authenticate: createAuthenticate(options.auth),
    metrics: options.metrics,
    life,
    streams: new Set(),
  };
  for (const service of services)
    server.addService(service.definition as ServiceDefinition, implementationOf(service, serving));
  const names = services.map(({ definition }) => serviceNameOf(definition));
  const health = addHealth(server, names);
  if (options.reflection) addReflection(server, names);
  const port = await bind(server, options);
  life.onStop('unready', 'grpc health', () => {
    for (const name of ['', ...names]) health.setStatus(name, 'NOT_SERVING');
  });
  life.onStop('drain', 'grpc server', () => shutdown(server, serving.streams));
  life.logger.info({ port, services: names }, 'grpc server listens');
  return { port };
};

const addHealth = (server: Server, names: readonly string[]): HealthImplementation => {
  const statuses: ServingStatusMap = { '': 'SERVING' };
  for (const name of names) statuses[name] = 'SERVING';
  const health = new HealthImplementation(statuses);
  health.addToServer(server);
  return health;
};

const bind = (server: Server, { listen, tls }: RpcServerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(formatHostPort(listen), serverCredentials(tls), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });

const shutdown = async (server: Server, streams: ReadonlySet<ServerStream<unknown, unknown>>): Promise<void> => {
  for (const stream of streams) stream.close(unavailable('DRAINING', 'this replica is stopping, use another'));
  const finished = new Promise<void>((resolve) => {
    server.tryShutdown(() => {
      resolve();
    });
  });
  await within(finished, DRAIN_MS, () => {
    server.forceShutdown();
  });
};

const implementationOf = (service: ServedService, serving: Serving): Record<string, UntypedHandleCall> =>
  Object.fromEntries(
    Object.entries(service.definition).map(([name, method]) => [
      name,
      adapt({ method, handler: service.handlers[name], scope: service.apiKeyScopes[name], serving }),
    ]),
  );

interface Binding {
  readonly method: AnyMethod;
  readonly handler: unknown;
  readonly scope: string | undefined;
  readonly serving: Serving;
}

// The types of handlers are checked by `serve`; here they are all alike.
type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;
type StreamingHandler = (request: unknown, context: CallContext) => AsyncIterable<unknown>;
type BidirectionalHandler = (stream: ServerStream<unknown, unknown>, context: CallContext) => void;

const adapt = (binding: Binding): UntypedHandleCall => {
  const { requestStream, responseStream, path } = binding.method;
  if (typeof binding.handler !== 'function') throw new Error(`${path} has no handler`);
  if (requestStream && responseStream) return adaptBidirectional(binding);
  if (requestStream) throw new Error(`${path} is client-streaming, which nobody here uses`);
  return responseStream ? adaptServerStreaming(binding) : adaptUnary(binding);
};

const adaptUnary = (binding: Binding): UntypedHandleCall => {
  const handler = binding.handler as UnaryHandler;
  const answer = async (call: ServerUnaryCall<unknown, unknown>): Promise<unknown> => {
    requireDeadline(call.getDeadline());
    const context = new CallContext(await authenticated(call, binding), call);
    if (context.isAbandoned) throw abandoned();
    return handler(call.request, context);
  };
  const name = binding.method.path.slice(1);
  const answerTraced = (call: ServerUnaryCall<unknown, unknown>): Promise<unknown> =>
    traced({
      name,
      kind: 'SERVER',
      parent: textOf(call.metadata, TRACEPARENT_KEY) ?? '',
      // What is logged of a failure is logged within its span.
      run: () =>
        answer(call).catch((error: unknown) => {
          throw exposed(error, binding);
        }),
      isFailure: (error) => FAILURES.has(statusOf(error)),
    });
  const observation = observations(binding);
  return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
    const observe = observation();
    answerTraced(call).then(
      (response) => {
        callback(null, response);
        observe(status.OK);
      },
      (error: unknown) => {
        const failure = exposed(error, binding);
        callback(toErrorStatus(failure));
        observe(failure.code);
      },
    );
  };
};

const adaptServerStreaming = (binding: Binding): UntypedHandleCall => {
  const handler = binding.handler as StreamingHandler;
  const answer = async (call: ServerWritableStream<unknown, unknown>): Promise<void> => {
    requireDeadline(call.getDeadline());
    const context = new CallContext(await authenticated(call, binding), call);
    for await (const response of handler(call.request, context)) {
      if (context.signal.aborted) return;
      if (!call.write(response)) await drained(call, context.signal);
    }
    call.end();
  };
  const observation = observations(binding);
  return (call: ServerWritableStream<unknown, unknown>) => {
    const observe = observation();
    answer(call).then(
      () => {
        observe(status.OK);
      },
      (error: unknown) => {
        const failure = exposed(error, binding);
        call.emit('error', Object.assign(new Error(failure.message), toErrorStatus(failure)));
        observe(failure.code);
      },
    );
  };
};

const drained = (call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });

const adaptBidirectional = (binding: Binding): UntypedHandleCall => {
  const handler = binding.handler as BidirectionalHandler;
  const { streams, life, metrics } = binding.serving;
  const open = metrics.gauge(rpcServerStreams).labels({ method: binding.method.path });
  const start = async (call: ServerDuplexStream<unknown, unknown>): Promise<void> => {
    const caller = await authenticated(call, binding);
    if (life.signal.aborted) throw unavailable('DRAINING', 'this replica is stopping, use another');
    const peer = caller.kind === 'fleet' ? caller.node : caller.callerId;
    const stream = new ServerStream(call, { peer, logger: life.logger });
    streams.add(stream);
    open.add();
    stream.onEnd(() => {
      streams.delete(stream);
      open.add(-1);
    });
    handler(stream, new CallContext(caller, call));
    // The peer waits for this before it calls the stream up.
    call.sendMetadata(new Metadata());
  };
  return (call: ServerDuplexStream<unknown, unknown>) => {
    start(call).catch((error: unknown) => {
      const failure = exposed(error, binding);
      call.emit('error', Object.assign(new Error(failure.message), toErrorStatus(failure)));
    });
  };
};

const authenticated = (call: AnyCall, { scope, serving }: Binding): Caller | Promise<Caller> =>
  serving.authenticate({
    metadata: call.metadata,
    certificate: call.getAuthContext().sslPeerCertificate,
    apiKeyScope: scope,
  });

const requireDeadline = (deadline: Date | number): void => {
  if (deadline === Infinity) throw invalidArgument('grpc-timeout', 'call with a deadline', 'DEADLINE_REQUIRED');
};

/** Starts the clock of one call. */
const observations = ({ method, serving }: Binding): (() => (code: status) => void) => {
  const seconds = serving.metrics.histogram(rpcServerSeconds);
  const byCode = new Map<status, HistogramChild>();
  return () => {
    const startedAt = performance.now();
    return (code) => {
      const child = byCode.get(code) ?? seconds.labels({ method: method.path, code: codeName(code) });
      byCode.set(code, child);
      child.observe((performance.now() - startedAt) / 1_000);
    };
  };
};

/** The error as the caller may see it. What isn't a typed error is a bug or an outage: logged, and told as little of. */
const exposed = (error: unknown, { method, serving }: Binding): RpcError => {
  const typed = errorInfo(error);
  // A peer that doesn't know us is a fault of ours, not of whoever called us.
  if (typed !== undefined && (error instanceof RpcError || typed.code !== status.UNAUTHENTICATED)) return typed;
  serving.life.logger.error({ err: error, method: method.path }, 'a call failed');
  const code = statusOf(error);
  if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED) {
    return unavailable('DEPENDENCY_UNAVAILABLE', 'a service this call needs does not answer, try again');
  }
  return new RpcError({ code: status.INTERNAL, reason: 'INTERNAL', message: 'internal error' });
};
