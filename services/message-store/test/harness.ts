import { createHash } from 'node:crypto';
import { newId } from '@godwit/ids/id';
import {
  MessageStoreServiceService,
  type AppendItem,
  type AppendOutcome,
  type AppendRequest,
  type AppendResponse,
  type ExpiredNotice,
  type FanOutOrder,
} from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import { deferred, type Deferred } from '@godwit/runtime/deferred';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { watchMongoCommands, type MongoCommandWatch } from '@godwit/testkit/mongo-command-watcher';
import { waitFor } from '@godwit/testkit/wait-for';
import { loadMessageStoreConfig } from '../src/config.js';
import { KIND } from '../src/domain/message.js';
import { startMessageStore, type MessageStore, type Overrides } from '../src/service.js';

export interface RunningStore extends MessageStore {
  readonly name: string;
  readonly life: Lifecycle;
  readonly watch: MongoCommandWatch;
}

export interface StoreOptions {
  readonly name?: string;
  readonly namespace: string;
  readonly mongoUrl: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: Overrides;
}

/** A store in this process, on ports of its own, with its driver commands watched. */
export const runStore = async ({
  name = 'message-store-0',
  namespace,
  mongoUrl,
  env = {},
  overrides = {},
}: StoreOptions): Promise<RunningStore> => {
  const config = loadMessageStoreConfig({
    GODWIT_NODE: name,
    GODWIT_NAMESPACE: namespace,
    GODWIT_MONGO_URL: mongoUrl,
    GODWIT_GRPC_LISTEN: '127.0.0.1:0',
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    ...env,
  });
  const life = new Lifecycle({ logger: silentLogger });
  const store = await startMessageStore(config, life, {
    membership: { members: () => Promise.reject(new Error('no group in this test')) },
    devices: { devicesOf: () => Promise.reject(new Error('no account in this test')) },
    monitorCommands: true,
    ...overrides,
  });
  return { ...store, name, life, watch: watchMongoCommands(store.mongo.client) };
};

type Outcome = NonNullable<AppendOutcome['outcome']>;
type Link = StreamLink<AppendResponse, AppendRequest>;

/** A router, as far as stores see one: a link to a store, and calls. */
export class TestRouter {
  readonly node: string;
  readonly pool: NodePool<typeof MessageStoreServiceService>;
  readonly orders: FanOutOrder[] = [];
  readonly expired: ExpiredNotice[] = [];
  /** Confirms what it has appended and what it is ordered. */
  confirms = true;
  /** Tells a request id of each answer, for tests of duplicates. */
  readonly answered: number[] = [];
  readonly #links = new Map<string, Link>();
  readonly #waiting = new Map<number, Deferred<Outcome>>();
  #requestId = 0;

  constructor(node: string, stores: readonly RunningStore[]) {
    this.node = node;
    this.pool = connectNodes(MessageStoreServiceService, {
      nodes: stores.map(({ name, grpcPort }) => ({ name, host: '127.0.0.1', port: grpcPort })),
      self: node,
      fleetToken: ['sample-fleet-token-for-development-only'],
      logger: silentLogger,
      metrics: createMetrics({ service: 'test', node, processMetrics: false }),
    });
    for (const { name } of stores) this.#links.set(name, this.#connect(name));
  }

  async connected(): Promise<this> {
    await waitFor(() => [...this.#links.values()].every((link) => link.up), { what: 'links to the stores' });
    return this;
  }

  link(store = 'message-store-0'): Link {
    const link = this.#links.get(store);
    if (link === undefined) throw new Error(`no link to ${store}`);
    return link;
  }

  /** Sends the items in one frame. */
  appendAll(items: readonly Partial<AppendItem>[], store?: string): Promise<Outcome>[] {
    const sent = items.map((item) => fillItem({ ...item, requestId: ++this.#requestId }));
    const outcomes = sent.map(({ requestId }) => {
      const waiting = deferred<Outcome>();
      this.#waiting.set(requestId, waiting);
      return waiting.promise;
    });
    if (!this.link(store).send({ hello: undefined, items: sent, confirmations: [] })) throw new Error('link is down');
    return outcomes;
  }

  async append(item: Partial<AppendItem>, store?: string): Promise<Outcome> {
    const [outcome] = this.appendAll([item], store);
    if (outcome === undefined) throw new Error('nothing was sent');
    return outcome;
  }

  confirm(conversationId: string, seq: number, store?: string): void {
    this.link(store).send({ hello: undefined, items: [], confirmations: [{ conversationId, seq }] });
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.pool.close();
  }

  #connect(store: string): Link {
    return this.pool.link(store, 'append', {
      onUp: (link) => {
        link.send({ hello: { node: this.node, incarnation: newId() }, items: [], confirmations: [] });
      },
      onFrame: (frame, link) => {
        this.#receive(frame, link);
      },
    });
  }

  #receive({ outcomes, orders, expired }: AppendResponse, link: Link): void {
    for (const { requestId, outcome } of outcomes) {
      this.answered.push(requestId);
      if (outcome === undefined) throw new Error('an empty outcome');
      this.#waiting.get(requestId)?.resolve(outcome);
      this.#waiting.delete(requestId);
    }
    this.orders.push(...orders);
    this.expired.push(...expired);
    if (!this.confirms || orders.length === 0) return;
    const confirmations = orders.map(({ conversationId, toSeq }) => ({ conversationId, seq: toSeq }));
    link.send({ hello: undefined, items: [], confirmations });
  }
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

export const userA = newId();
export const deviceA = newId();

export const fillItem = (item: Partial<AppendItem>): AppendItem => {
  const body = item.clientMessageId ?? newId();
  return {
    requestId: 0,
    conversationId: '',
    senderUserId: userA,
    senderDeviceId: deviceA,
    clientMessageId: body,
    kind: KIND.text,
    targetSeq: 0,
    mediaIds: [],
    expiresAtMs: 0,
    membershipVersion: 1,
    envelope: Buffer.from(`envelope of ${body}`),
    bodyHash: hash(body),
    retry: false,
    lookupOnly: false,
    senderIsAdmin: false,
    traceparent: '',
    ...item,
  };
};

export const hashOf = hash;

/** The first message of a conversation. */
export const created = (conversationId: string): Partial<AppendItem> => ({
  conversationId,
  kind: KIND.membership,
  membershipVersion: 0,
  clientMessageId: 'created',
});

/** The seq of an ack, or an error that shows what came instead. */
export const seqOf = (outcome: Outcome): number => {
  if (outcome.$case !== 'appended') throw new Error(`expected an ack, got ${JSON.stringify(outcome)}`);
  return outcome.value.seq;
};
