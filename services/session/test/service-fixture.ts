import {
  SessionServiceService,
  type Evict,
  type Register,
  type Registered,
  type SessionToEdge,
  type EdgeToSession,
} from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { freePort } from '@godwit/testkit/free-port';
import { loadSessionConfig } from '../src/config.js';
import { startSession, type SessionService } from '../src/service.js';

export interface RunningReplica extends SessionService {
  readonly life: Lifecycle;
}

export interface TestFleet {
  readonly pool: NodePool<typeof SessionServiceService>;
  start(name: string): Promise<RunningReplica>;
  /** Ends the process without a goodbye to Redis. */
  stop(replica: RunningReplica): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface FleetOptions {
  readonly names: readonly string[];
  readonly redisUrl: string;
  readonly namespace: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Replicas in this process on real ports, with everything that waits shortened. */
export const createTestFleet = async ({ names, redisUrl, namespace, env = {} }: FleetOptions): Promise<TestFleet> => {
  const addresses: string[] = [];
  for (const name of names) addresses.push(`${name}=127.0.0.1:${String(await freePort())}`);
  const configOf = (node: string) =>
    loadSessionConfig({
      GODWIT_NODE: node,
      GODWIT_NAMESPACE: namespace,
      GODWIT_REDIS_URL: redisUrl,
      GODWIT_SESSION_NODES: addresses.join(','),
      GODWIT_GRPC_LISTEN: addresses.find((address) => address.startsWith(`${node}=`))?.split('=')[1],
      GODWIT_HTTP_LISTEN: '127.0.0.1:0',
      GODWIT_SESSION_REDIS_CHECK: '100ms',
      GODWIT_LOG_LEVEL: 'silent',
      ...env,
    });
  const running = new Set<RunningReplica>();
  const config = configOf(names[0] ?? '');
  const metrics = createMetrics({ service: 'test', node: 'test', processMetrics: false });
  const pool = connectNodes(SessionServiceService, {
    nodes: config.replicas,
    self: 'edge-0',
    fleetToken: config.fleetToken,
    logger: silentLogger,
    metrics,
  });
  const stop = async (replica: RunningReplica): Promise<void> => {
    running.delete(replica);
    await replica.life.stop();
  };
  return {
    pool,
    stop,
    start: async (name) => {
      const life = new Lifecycle({ logger: silentLogger });
      const replica = { ...(await startSession(configOf(name), life)), life };
      running.add(replica);
      return replica;
    },
    [Symbol.asyncDispose]: async () => {
      pool.close();
      for (const replica of running) await stop(replica);
    },
  };
};

/** An edge as the session service sees it: a stream, sockets, heartbeats. */
export class TestEdge {
  readonly evicts: Evict[] = [];
  readonly registered = new Map<number, Registered>();
  ups = 0;
  readonly #link: StreamLink<SessionToEdge, EdgeToSession>;
  readonly #beat: NodeJS.Timeout;
  #requestId = 0;

  constructor(
    pool: TestFleet['pool'],
    { node, edgeId, incarnation = 'i1' }: { node: string; edgeId: string; incarnation?: string },
  ) {
    this.#link = pool.link(node, 'link', {
      onUp: () => {
        this.ups++;
        this.send({ hello: { edgeId, incarnation } });
      },
      onFrame: ({ registered, evicts }) => {
        for (const answer of registered) this.registered.set(answer.requestId, answer);
        this.evicts.push(...evicts);
      },
    });
    this.#beat = setInterval(() => this.send({ heartbeat: true }), 100);
  }

  send(frame: Partial<EdgeToSession>): boolean {
    return this.#link.send({ hello: undefined, registers: [], unregisters: [], heartbeat: false, ...frame });
  }

  /** Gives the number of the request. */
  register(register: Partial<Register> & Pick<Register, 'userId' | 'deviceId' | 'handle'>): number {
    const requestId = ++this.#requestId;
    this.send({ registers: [{ epoch: 0, again: false, requestId, ...register }] });
    return requestId;
  }

  /** The edge is killed: its stream breaks and nothing more is heard. */
  kill(): void {
    clearInterval(this.#beat);
    this.#link.close();
  }
}
