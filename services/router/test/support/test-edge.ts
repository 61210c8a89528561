import { newId } from '@godwit/ids/id';
import { Envelope, Kind, Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import {
  RouterServiceService,
  type Delivery,
  type EdgeToRouter,
  type FetchOutcome,
  type Notice,
  type RouterToEdge,
  type SendItem,
  type SendOutcome,
  type SyncEvent,
  type SyncOpen,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import type { StreamLink } from '@godwit/rpc/stream-link';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { waitFor } from '@godwit/testkit/wait-for';

export const FLEET_TOKEN = 'sample-fleet-token-for-development-only';

export const connectRouters = (ports: Readonly<Record<string, number>>): NodePool<typeof RouterServiceService> =>
  connectNodes(RouterServiceService, {
    nodes: Object.entries(ports).map(([name, port]) => ({ name, host: '127.0.0.1', port })),
    self: 'edge-0',
    fleetToken: [FLEET_TOKEN],
    logger: silentLogger,
    metrics: createMetrics({ service: 'test', node: 'edge-0', processMetrics: false }),
  });

const EMPTY: EdgeToRouter = {
  hello: undefined,
  sends: [],
  cursors: [],
  answers: [],
  syncOpens: [],
  syncCredits: [],
  syncCloses: [],
  fetches: [],
};

type Outcome = NonNullable<SendOutcome['outcome']>;

/** An edge as a router sees it. Answers batches by itself; sockets that are not `here` are not. */
export class TestEdge {
  readonly edgeId: string;
  readonly incarnation = newId();
  readonly deliveries: Delivery[] = [];
  readonly notices: Notice[] = [];
  readonly events: SyncEvent[] = [];
  readonly outcomes = new Map<number, Outcome>();
  readonly fetched = new Map<number, NonNullable<FetchOutcome['outcome']>>();
  /** Sockets that exist; undefined: all. */
  here: Set<number> | undefined;
  answers = true;
  readonly pool: NodePool<typeof RouterServiceService>;
  readonly link: StreamLink<RouterToEdge, EdgeToRouter>;
  #requestId = 0;

  constructor(edgeId: string, port: number, name = 'router-0') {
    this.edgeId = edgeId;
    this.pool = connectRouters({ [name]: port });
    this.link = this.pool.link(name, 'link', {
      onUp: (link) => {
        link.send({ ...EMPTY, hello: { edgeId, incarnation: this.incarnation } });
      },
      onFrame: (frame) => {
        this.#onFrame(frame);
      },
    });
  }

  async connected(): Promise<this> {
    await waitFor(() => this.link.up, { what: 'the link to the router' });
    return this;
  }

  /** A session at this edge. */
  session(deviceId: string, handle: number) {
    return { deviceId, edgeId: this.edgeId, edgeIncarnation: this.incarnation, handle };
  }

  say(frame: Partial<EdgeToRouter>): void {
    if (!this.link.send({ ...EMPTY, ...frame })) throw new Error('the link is down');
  }

  /** Sends items in one frame; the outcomes in their order. */
  async send(...items: Partial<SendItem>[]): Promise<Outcome[]> {
    const sends = items.map((item) => sendItem({ ...item, requestId: ++this.#requestId }));
    this.say({ sends });
    await waitFor(() => sends.every(({ requestId }) => this.outcomes.has(requestId)), {
      what: 'outcomes of the sends',
      timeoutMs: 12_000,
    });
    return sends.map(({ requestId }) => this.outcomes.get(requestId) as Outcome);
  }

  async sync(open: Partial<SyncOpen>): Promise<SyncEvent[]> {
    const syncId = open.syncId ?? ++this.#requestId;
    const request = { userId: '', deviceId: '', cursors: [], marksSinceMs: 0, recheck: false, ...open, syncId };
    this.say({ syncOpens: [request] });
    await waitFor(() => this.eventsOf(syncId).some(isLast), { what: 'the end of the sync' });
    return this.eventsOf(syncId);
  }

  eventsOf(syncId: number): SyncEvent[] {
    return this.events.filter((event) => event.syncId === syncId);
  }

  /** Seqs that a socket was handed, in the order it was. */
  seqsOf(handle: number): number[] {
    return this.deliveries.filter(({ handles }) => handles.includes(handle)).map(({ seq }) => seq);
  }

  close(): void {
    this.link.close();
    this.pool.close();
  }

  #onFrame(frame: RouterToEdge): void {
    for (const { requestId, outcome } of frame.sendOutcomes) if (outcome) this.outcomes.set(requestId, outcome);
    for (const { requestId, outcome } of frame.fetchOutcomes) if (outcome) this.fetched.set(requestId, outcome);
    this.notices.push(...frame.notices);
    this.events.push(...frame.syncEvents);
    for (const { batchId, deliveries } of frame.batches) {
      const handles = deliveries.flatMap((delivery) => delivery.handles);
      const notHere = handles.filter((handle) => this.here?.has(handle) === false);
      for (const delivery of deliveries) {
        const there = delivery.handles.filter((handle) => !notHere.includes(handle));
        if (there.length > 0) this.deliveries.push({ ...delivery, handles: there });
      }
      if (this.answers) this.say({ answers: [{ batchId, notHere }] });
    }
  }
}

const isLast = ({ event }: SyncEvent): boolean => event?.$case === 'done' || event?.$case === 'failed';

export const payloadOf = (content: Payload['content']): Buffer => Buffer.from(Payload.encode({ content }).finish());

export const textPayload = (text: string): Buffer => payloadOf({ $case: 'text', value: { text } });

export const sendItem = (item: Partial<SendItem>): SendItem => ({
  requestId: 1,
  userId: '',
  deviceId: '',
  conversationId: '',
  clientMessageId: newId(),
  timestampMs: 1_764_000_000_000,
  kind: Kind.KIND_TEXT,
  targetSeq: 0,
  mediaIds: [],
  expiresAtMs: 0,
  payload: textPayload('hello'),
  retry: false,
  traceparent: '',
  ...item,
});

export const textOf = (envelope: Uint8Array): string | undefined => {
  const content = Envelope.decode(envelope).payload?.content;
  return content?.$case === 'text' ? content.value.text : undefined;
};
