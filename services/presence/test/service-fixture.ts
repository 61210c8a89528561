import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import {
  PresenceServiceService,
  type EdgeToPresence,
  type PresenceToEdge,
  type SubscribeOutcome,
} from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { freePort } from '@godwit/testkit/free-port';
import { loadPresenceConfig } from '../src/config.js';
import type { Relation } from '../src/domain/privacy.js';
import { startPresence, type PresenceOverrides, type PresenceService } from '../src/service.js';

export type Account = NodePool<typeof AccountServiceService>;

export interface RunningReplica extends PresenceService {
  readonly node: string;
  readonly life: Lifecycle;
}

/** How users stand to each other and who is in which group, in the place of the two services. */
export class People {
  readonly relations = new Map<string, Partial<Relation>>();
  readonly groups = new Map<string, Set<string>>();
  away = false;

  /** Of everybody the subject stands to as to nobody in particular, use '*'. */
  set(subject: string, viewer: string, relation: Partial<Relation>): void {
    this.relations.set(`${subject} ${viewer}`, relation);
  }

  readonly overrides: PresenceOverrides = {
    readRelations: async (queries) => {
      await Promise.resolve();
      if (this.away) throw new Error('account is away');
      return queries.map(({ subject, viewer }) => ({
        exists: true,
        blocked: false,
        contact: false,
        online: 'everyone',
        lastSeen: 'everyone',
        ...this.relations.get(`${subject} *`),
        ...this.relations.get(`${subject} ${viewer}`),
      }));
    },
    readMembers: async (conversationId) => {
      await Promise.resolve();
      if (this.away) throw new Error('group is away');
      return this.groups.get(conversationId);
    },
  };
}

export interface TestServersOf {
  readonly mongoUrl: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
}

export interface FleetOptions {
  readonly names: readonly string[];
  readonly servers: TestServersOf;
  readonly namespace: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: PresenceOverrides;
}

export interface TestFleet {
  readonly pool: NodePool<typeof PresenceServiceService>;
  start(name: string): Promise<RunningReplica>;
  stop(replica: RunningReplica): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Replicas in this process on real ports, with everything that waits shortened. */
export const createTestFleet = async ({
  names,
  servers,
  namespace,
  env = {},
  overrides = {},
}: FleetOptions): Promise<TestFleet> => {
  const addresses = await Promise.all(names.map(async (name) => ({ name, host: '127.0.0.1', port: await freePort() })));
  const configOf = (node: string) =>
    loadPresenceConfig({
      GODWIT_NODE: node,
      GODWIT_NAMESPACE: namespace,
      GODWIT_MONGO_URL: servers.mongoUrl,
      GODWIT_NATS_URL: servers.natsUrl,
      GODWIT_REDIS_URL: servers.redisUrl,
      GODWIT_GRPC_LISTEN: `127.0.0.1:${String(addresses.find(({ name }) => name === node)?.port)}`,
      GODWIT_HTTP_LISTEN: '127.0.0.1:0',
      GODWIT_PRESENCE_GRACE: '300ms',
      GODWIT_PRESENCE_LEASE: '1500ms',
      GODWIT_PRESENCE_SWEEP: '200ms',
      GODWIT_PRESENCE_SETTLE: '500ms',
      GODWIT_PRESENCE_LAST_SEEN_INTERVAL: '100ms',
      GODWIT_LOG_LEVEL: 'silent',
      ...env,
    });
  const running = new Set<RunningReplica>();
  const pool = connectNodes(PresenceServiceService, {
    nodes: addresses,
    self: 'edge-0',
    fleetToken: configOf('presence-0').fleetToken,
    logger: silentLogger,
    metrics: createMetrics({ service: 'test', node: 'test', processMetrics: false }),
  });
  const stop = async (replica: RunningReplica): Promise<void> => {
    running.delete(replica);
    await replica.life.stop();
  };
  return {
    pool,
    stop,
    start: async (node) => {
      const life = new Lifecycle({ logger: silentLogger });
      const replica = { ...(await startPresence(configOf(node), life, overrides)), node, life };
      running.add(replica);
      return replica;
    },
    [Symbol.asyncDispose]: async () => {
      pool.close();
      for (const replica of running) await stop(replica);
    },
  };
};

const EMPTY: EdgeToPresence = {
  hello: undefined,
  connected: [],
  disconnected: [],
  subscribes: [],
  unsubscribes: [],
  typings: [],
  heartbeat: false,
};

/** An edge as presence sees it. What each socket was told last is kept, and everything in order. */
export class TestEdge {
  readonly told: string[] = [];
  readonly outcomes = new Map<number, SubscribeOutcome>();
  frames = 0;
  ups = 0;
  readonly #presence = new Map<string, { online: boolean; lastSeenMs: number }>();
  readonly #link: StreamLink<PresenceToEdge, EdgeToPresence>;
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
      onFrame: (frame) => {
        this.#onFrame(frame);
      },
    });
    this.#beat = setInterval(() => this.send({ heartbeat: true }), 200);
  }

  send(frame: Partial<EdgeToPresence>): boolean {
    return this.#link.send({ ...EMPTY, ...frame });
  }

  connect(handle: number, userId: string): void {
    this.send({ connected: [{ handle, userId, deviceId: userId }] });
  }

  disconnect(handle: number): void {
    this.send({ disconnected: [{ handle }] });
  }

  /** Gives the number of the request. */
  subscribe(handle: number, userId: string, topics: { userIds?: string[]; conversationIds?: string[] }): number {
    const requestId = ++this.#requestId;
    this.send({ subscribes: [{ requestId, handle, userId, userIds: [], conversationIds: [], ...topics }] });
    return requestId;
  }

  /** What a socket was last told of a user. */
  sees(handle: number, userId: string): { online: boolean; lastSeenMs: number } | undefined {
    return this.#presence.get(`${String(handle)} ${userId}`);
  }

  /** The edge is killed: its stream breaks and nothing more is heard. */
  kill(): void {
    clearInterval(this.#beat);
    this.#link.close();
  }

  #onFrame({ updates, subscribeOutcomes }: PresenceToEdge): void {
    this.frames++;
    for (const outcome of subscribeOutcomes) this.outcomes.set(outcome.requestId, outcome);
    for (const { handles, update } of updates) {
      for (const handle of handles) {
        if (update?.$case === 'presence') {
          const { userId, online, lastSeenMs } = update.value;
          this.#presence.set(`${String(handle)} ${userId}`, { online, lastSeenMs });
          this.told.push(`${String(handle)} ${userId} ${online ? 'online' : 'offline'}`);
        } else if (update?.$case === 'typing') {
          const { userId, stopped } = update.value;
          this.told.push(`${String(handle)} ${userId} ${stopped ? 'stopped' : 'types'}`);
        }
      }
    }
  }
}
