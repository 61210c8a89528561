import type {
  Delivery,
  DeliveryBatch,
  Notice,
  RouterToEdge,
  SyncEvent as WireSyncEvent,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { Connection } from '../domain/connection.js';
import type { Connections } from '../domain/connections.js';
import type { Outbox } from '../domain/outbox.js';
import type { LiveDelivery } from '../domain/live-queue.js';
import type { OutboundFrame } from '../domain/outbound-frame.js';
import { PacedQueue } from '../domain/paced-queue.js';
import type { Syncs } from '../domain/syncs.js';
import type { RouterLinks, RouterPart } from '../links/router-links.js';
import type { RouterRequests } from '../links/router-requests.js';
import { toSyncEvent } from '../links/sync-source.js';
import { deliverFrame, serverFrame } from '../wire/server-frame.js';
import type { DeliverySpans } from './delivery-spans.js';

export interface RouterFrameOptions {
  readonly routers: RouterLinks;
  readonly requests: RouterRequests;
  readonly connections: Connections;
  readonly syncs: Syncs;
  readonly outbox: Outbox;
  readonly spans: DeliverySpans;
  readonly delivered: (sockets: number) => void;
}

/** What is sent in one piece does not show in what a socket lags behind by, so it is not much. */
const MAX_CORKED = 16;
/** Some 3 ms of work: when thousands come back at once, live messages do not wait behind all that they have missed. */
const SYNC_EVENTS_PER_TURN = 128;
/** A few MB. */
const MAX_WAITING_SYNC_EVENTS = 8_192;

/** Takes what routers say to the sockets of this edge. */
export class RouterFrames {
  readonly #options: RouterFrameOptions;
  readonly #syncEvents = new PacedQueue<WireSyncEvent>({
    perTurn: SYNC_EVENTS_PER_TURN,
    maxWaiting: MAX_WAITING_SYNC_EVENTS,
    work: (events) => {
      this.#sync(events);
    },
  });

  constructor(options: RouterFrameOptions) {
    this.#options = options;
  }

  readonly #emit = (connection: Connection, frame: OutboundFrame): void => {
    this.#options.outbox.add(connection, frame);
  };

  take(frame: RouterToEdge, node: string): void {
    const { requests, outbox } = this.#options;
    for (const outcome of frame.sendOutcomes) requests.onSendOutcome(outcome);
    for (const outcome of frame.fetchOutcomes) requests.onFetchOutcome(outcome);
    for (const batch of frame.batches) this.#deliver(batch, node);
    for (const notice of frame.notices) this.#notify(notice);
    outbox.flush();
    this.#syncEvents.add(frame.syncEvents);
  }

  /** These watch how far each socket lags behind, and therefore go straight to it: those for one socket in a row together. */
  #sync(events: readonly WireSyncEvent[]): void {
    for (let start = 0; start < events.length;) {
      const syncId = events[start]?.syncId ?? 0;
      let end = start + 1;
      while (end < events.length && end - start < MAX_CORKED && events[end]?.syncId === syncId) end += 1;
      const together = events.slice(start, end).flatMap((event) => toSyncEvent(event) ?? []);
      this.#options.syncs.onEvents(syncId, together);
      start = end;
    }
  }

  #deliver({ batchId, deliveries }: DeliveryBatch, node: string): void {
    const notHere = new Set<number>();
    for (const delivery of deliveries) this.#deliverOne(delivery, notHere);
    // A router that does not hear it asks where the sockets are, and delivers again.
    const answer: RouterPart = { kind: 'answer', item: { batchId, notHere: [...notHere] } };
    if (notHere.size > 0) this.#options.routers.offer(node, answer);
    else this.#options.routers.offerLater(node, answer);
  }

  #deliverOne(delivery: Delivery, notHere: Set<number>): void {
    const { connections, syncs } = this.#options;
    const { conversationId, seq, handles, startingHandles } = delivery;
    const traced = this.#options.spans.begin(delivery);
    const frame = deliverFrame(delivery, traced?.traceparent);
    const live: LiveDelivery = { conversationId, seq, frame, start: undefined };
    const starting: LiveDelivery = { ...live, start: startingHandles.length > 0 ? startFrame(delivery) : undefined };
    let delivered = 0;
    for (const handle of handles) {
      const connection = connections.get(handle);
      if (connection === undefined || connection.state === 'greeting' || !connection.isOpen) {
        notHere.add(handle);
        continue;
      }
      delivered += 1;
      traced?.handed(connection);
      syncs.deliver(connection, startingHandles.includes(handle) ? starting : live, this.#emit);
    }
    this.#options.delivered(delivered);
    traced?.end();
  }

  #notify({ handles, notice }: Notice): void {
    if (notice === undefined) return;
    const frame = serverFrame(notice);
    for (const handle of handles) {
      const connection = this.#options.connections.get(handle);
      if (connection !== undefined) this.#options.outbox.add(connection, frame);
    }
  }
}

const startFrame = ({ conversationId, seq }: Delivery): OutboundFrame =>
  serverFrame({ $case: 'position', value: { conversationId, cursorSeq: seq - 1, headSeq: seq } });
