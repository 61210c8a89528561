import { Client, Metadata, status, type ClientReadableStream } from '@grpc/grpc-js';
import { formatHostPort, type NodeAddress } from '@godwit/ring/node-address';
import { COUNTED_DEADLINE_MS, NodeHealth } from '@godwit/ring/node-health';
import { Nodes } from '@godwit/ring/nodes';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { TlsFiles } from '@godwit/runtime/base-config';
import type { RotatingSecret } from '@godwit/runtime/config';
import type { Logger } from '@godwit/runtime/logger';
import { rpcClientSeconds, rpcLinkDowns, rpcLinkUp } from '@godwit/telemetry/catalogue/libs';
import type { HistogramChild, Metrics } from '@godwit/telemetry/metrics';
import { activeSpan } from '@godwit/tracing/spans';
import { AUTHORIZATION_KEY, DEVICE_KEY, NODE_KEY, TRACEPARENT_KEY, USER_KEY } from './authenticate.js';
import { channelCredentials, clientChannelOptions, sharedNameChannelOptions } from './channel.js';
import type {
  AnyMethod,
  BidirectionalName,
  Definition,
  RequestOf,
  ResponseOf,
  ServerStreamingName,
  UnaryName,
} from './method.js';
import { refreshedTarget } from './refreshed-dns.js';
import { codeName, errorInfo, isRetryable, statusOf, unavailable } from './rpc-error.js';
import { RetryBudget } from './retry-budget.js';
import { StreamLink, type LinkHandlers } from './stream-link.js';

export interface PoolOptions {
  readonly nodes: readonly NodeAddress[];
  /** Name of this replica, told to the peers. */
  readonly self: string;
  readonly fleetToken: RotatingSecret;
  readonly tls?: TlsFiles | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface CallOptions {
  /** Time for the whole call, retries included. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The user whom the call acts for. */
  readonly user?: string | undefined;
  /** The device of the user, where one asks. */
  readonly device?: string | undefined;
}

export interface RetriedCallOptions extends CallOptions {
  /** Doing it twice is doing it once: tried at the next replica when one is unavailable or late. */
  readonly idempotent: boolean;
  /** Time for one attempt of an idempotent call, in the first round through the replicas (default 500 ms). */
  readonly attemptMs?: number;
}

/** Replicas that are told apart have a node each; a node that is alone may be a name that stands for all there are. */
const openClients = ({ nodes, tls }: PoolOptions): ReadonlyMap<string, Client> => {
  const credentials = channelCredentials(tls);
  const open = (target: string): Client =>
    nodes.length > 1
      ? new Client(target, credentials, clientChannelOptions)
      : new Client(refreshedTarget(target), credentials, sharedNameChannelOptions);
  return new Map(nodes.map((node) => [node.name, open(formatHostPort(node))]));
};

const RETRY_DELAY = { minMs: 20, maxMs: 200 };

/** One channel to each node of a service (a replica, or a name that stands for several), and the ways of calling it. */
export class NodePool<D extends Definition> {
  readonly nodes: Nodes;
  readonly #definition: D;
  readonly #options: PoolOptions;
  readonly #clients: ReadonlyMap<string, Client>;
  readonly #metadata: Metadata;
  readonly #budget = new RetryBudget();
  /** By method and code. */
  readonly #seconds = new Map<string, HistogramChild>();

  constructor(definition: D, options: PoolOptions) {
    this.nodes = new Nodes(options.nodes, new NodeHealth());
    this.#definition = definition;
    this.#options = options;
    this.#clients = openClients(options);
    this.#metadata = new Metadata();
    this.#metadata.set(AUTHORIZATION_KEY, `Bearer ${options.fleetToken[0]}`);
    this.#metadata.set(NODE_KEY, options.self);
  }

  /** Calls one node, once. */
  async call<N extends UnaryName<D>>(
    node: string,
    method: N,
    { request, ...options }: CallOptions & { readonly request: RequestOf<D[N]> },
  ): Promise<ResponseOf<D[N]>> {
    return (await this.#attempt(node, this.#method(method), { ...options, request })) as ResponseOf<D[N]>;
  }

  /** Calls the node that serves the key; an idempotent call goes on to its successors. */
  async callOwner<N extends UnaryName<D>>(
    method: N,
    request: RequestOf<D[N]>,
    options: RetriedCallOptions & { readonly key: string },
  ): Promise<ResponseOf<D[N]>> {
    const order = (): string[] => this.nodes.candidates(options.key);
    return (await this.#callInOrder(order, this.#method(method), { ...options, request })) as ResponseOf<D[N]>;
  }

  /** Calls any node, each in its turn; an idempotent call goes on to the others. */
  async callAny<N extends UnaryName<D>>(
    method: N,
    request: RequestOf<D[N]>,
    options: RetriedCallOptions,
  ): Promise<ResponseOf<D[N]>> {
    const order = (): string[] => this.nodes.rotation();
    return (await this.#callInOrder(order, this.#method(method), { ...options, request })) as ResponseOf<D[N]>;
  }

  /** Reads a server stream of any node, once; fails in the middle when the node does. */
  async *readAny<N extends ServerStreamingName<D>>(
    method: N,
    request: RequestOf<D[N]>,
    options: CallOptions,
  ): AsyncGenerator<ResponseOf<D[N]>, void, undefined> {
    const node = this.nodes.rotation()[0];
    if (node === undefined) throw unavailable('NO_NODE', `no node is configured for ${method}`);
    const stream = this.#openReadable(node, this.#method(method), { ...options, request });
    const cancel = (): void => {
      stream.cancel();
    };
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of stream) yield response as ResponseOf<D[N]>;
      this.nodes.health.answered(node);
    } catch (error) {
      this.#keepBooks(node, error, options.deadlineMs);
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** Keeps a long stream to one node. */
  link<N extends BidirectionalName<D>>(
    node: string,
    method: N,
    handlers: LinkHandlers<ResponseOf<D[N]>, RequestOf<D[N]>>,
  ): StreamLink<ResponseOf<D[N]>, RequestOf<D[N]>> {
    type In = ResponseOf<D[N]>;
    type Out = RequestOf<D[N]>;
    const { path, requestSerialize, responseDeserialize } = this.#method(method);
    const { logger, metrics } = this.#options;
    const labels = { method: path, peer: node };
    const up = metrics.gauge(rpcLinkUp).labels(labels);
    const downs = metrics.counter(rpcLinkDowns).labels(labels);
    up.set(0);
    return new StreamLink<In, Out>({
      node,
      handlers,
      logger,
      health: this.nodes.health,
      open: () =>
        this.#client(node).makeBidiStreamRequest<Out, In>(
          path,
          requestSerialize as (value: Out) => Buffer,
          responseDeserialize as (bytes: Buffer) => In,
          this.#metadata,
        ),
      observe: (event) => {
        up.set(event === 'up' ? 1 : 0);
        if (event === 'down') downs.inc();
      },
    });
  }

  /** Keeps a long stream to every node; by node name. */
  linkAll<N extends BidirectionalName<D>>(
    method: N,
    handlers: LinkHandlers<ResponseOf<D[N]>, RequestOf<D[N]>>,
  ): ReadonlyMap<string, StreamLink<ResponseOf<D[N]>, RequestOf<D[N]>>> {
    return new Map(this.nodes.names.map((node) => [node, this.link(node, method, handlers)]));
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #method(name: string): AnyMethod {
    const method = this.#definition[name];
    if (method === undefined) throw new Error(`no method ${name}`);
    return method;
  }

  #client(node: string): Client {
    const client = this.#clients.get(node);
    if (client === undefined) throw unavailable('NO_NODE', `no node ${node} is configured`);
    return client;
  }

  #metadataFor({ user, device }: CallOptions): Metadata {
    const span = activeSpan();
    if (user === undefined && span === undefined) return this.#metadata;
    const metadata = this.#metadata.clone();
    if (span !== undefined) metadata.set(TRACEPARENT_KEY, span.traceparent);
    if (user !== undefined) metadata.set(USER_KEY, user);
    if (device !== undefined) metadata.set(DEVICE_KEY, device);
    return metadata;
  }

  async #callInOrder(order: () => string[], method: AnyMethod, call: RetriedCallOptions & Requested): Promise<unknown> {
    const endsAt = performance.now() + call.deadlineMs;
    const tried = new Set<string>();
    this.#budget.deposit();
    for (let attempt = 0; ; attempt++) {
      const names = order();
      const node = names.find((name) => !tried.has(name)) ?? names[0];
      if (node === undefined) throw unavailable('NO_NODE', `no node is configured for ${method.path}`);
      tried.add(node);
      const remaining = endsAt - performance.now();
      const deadlineMs = Math.min(attemptMs(call, { attempt, nodes: names.length }), remaining);
      try {
        return await this.#attempt(node, method, { ...call, deadlineMs });
      } catch (error) {
        const goesOn =
          call.idempotent && isRetryable(error) && call.signal?.aborted !== true && this.#budget.withdraw();
        // Once round: all have failed, so give them a moment.
        const delayMs = tried.size >= names.length ? fullJitter(RETRY_DELAY, Math.floor(attempt / names.length)) : 0;
        if (!goesOn || endsAt - performance.now() <= delayMs) throw error;
        if (delayMs > 0 && !(await sleep(delayMs, call.signal))) throw error;
        if (tried.size >= names.length) tried.clear();
      }
    }
  }

  #attempt(node: string, method: AnyMethod, call: CallOptions & Requested): Promise<unknown> {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        unary.cancel();
      };
      const unary = this.#client(node).makeUnaryRequest<unknown, unknown>(
        method.path,
        method.requestSerialize as (value: unknown) => Buffer,
        method.responseDeserialize,
        call.request,
        this.#metadataFor(call),
        { deadline: Date.now() + call.deadlineMs },
        (error, response) => {
          call.signal?.removeEventListener('abort', cancel);
          this.#keepBooks(node, error, call.deadlineMs);
          this.#observe(method, error?.code ?? status.OK, startedAt);
          if (error === null) resolve(response);
          else reject(error);
        },
      );
      call.signal?.addEventListener('abort', cancel, { once: true });
      if (call.signal?.aborted === true) cancel();
    });
  }

  #openReadable(node: string, method: AnyMethod, call: CallOptions & Requested): ClientReadableStream<unknown> {
    return this.#client(node).makeServerStreamRequest<unknown, unknown>(
      method.path,
      method.requestSerialize as (value: unknown) => Buffer,
      method.responseDeserialize,
      call.request,
      this.#metadataFor(call),
      { deadline: Date.now() + call.deadlineMs },
    );
  }

  /** Any answer of the node itself, good or bad, speaks for it. */
  #keepBooks(node: string, error: unknown, deadlineMs: number): void {
    const { health } = this.nodes;
    const code = error === null ? status.OK : statusOf(error);
    if (code === status.CANCELLED) return;
    if (code === status.DEADLINE_EXCEEDED && errorInfo(error) === undefined) {
      if (deadlineMs >= COUNTED_DEADLINE_MS) health.missedDeadline(node);
    } else if (code === status.UNAVAILABLE && errorInfo(error) === undefined) health.setAside(node);
    else health.answered(node);
  }

  #observe(method: AnyMethod, code: status, startedAt: number): void {
    const key = `${method.path} ${String(code)}`;
    const seconds =
      this.#seconds.get(key) ??
      this.#options.metrics.histogram(rpcClientSeconds).labels({ method: method.path, code: codeName(code) });
    this.#seconds.set(key, seconds);
    seconds.observe((performance.now() - startedAt) / 1_000);
  }
}

interface Requested {
  readonly request: unknown;
}

/**
 * How long one attempt may take. A late replica is left for another one, and what it still works on is then done twice;
 * so where there is no other, it gets all the time there is, and each round through them twice that of the one before.
 */
const attemptMs = (call: RetriedCallOptions, { attempt, nodes }: { attempt: number; nodes: number }): number => {
  if (!call.idempotent || nodes <= 1) return Infinity;
  return (call.attemptMs ?? COUNTED_DEADLINE_MS) * 2 ** Math.floor(attempt / nodes);
};

/** Connects, lazily, to the replicas of a service; `definition` is what ts-proto generates (`RouterServiceService`). */
export const connectNodes = <D extends Definition>(definition: D, options: PoolOptions): NodePool<D> =>
  new NodePool(definition, options);
