import { unavailable } from '@godwit/rpc/rpc-error';
import type { ServerStream } from '@godwit/rpc/server-stream';
import type { Clock } from '@godwit/runtime/clock';
import { FRAME_GAP_MS, Pace } from '@godwit/runtime/pace';
import type {
  Delivery as WireDelivery,
  DeliveryAnswer,
  EdgeToRouter,
  FetchOutcome,
  Notice as WireNotice,
  RouterToEdge,
  SendOutcome,
  SyncEvent,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { DeliveryTracker } from '../domain/delivery-tracker.js';
import type { Delivery, Edge, Notice } from '../domain/edges.js';
import { bufferOf, errorFrom } from '../wire/refused.js';

export interface EdgeLinkOptions {
  readonly edgeId: string;
  readonly incarnation: string;
  readonly stream: ServerStream<EdgeToRouter, RouterToEdge>;
  readonly clock: Clock;
  readonly onFrame?: (items: number) => void;
}

// A frame closes when its time has come, or when it holds this much.
const MAX_BYTES = 1024 * 1024;

/** Frames held back from which on syncs wait: up to so many MiB are in memory for one edge. */
const BACKLOG_FRAMES = 16;

/** The stream to one edge: what is said at the same time goes out as one frame. */
export class EdgeLink implements Edge {
  readonly edgeId: string;
  readonly incarnation: string;
  /** Sends of this edge without an outcome. */
  pendingSends = 0;
  readonly #options: EdgeLinkOptions;
  readonly #tracker: DeliveryTracker;
  #frame = emptyFrame();
  #deliveries: Delivery[] = [];
  #bytes = 0;
  readonly #pace = new Pace({
    gapMs: FRAME_GAP_MS,
    flush: () => {
      this.flush();
    },
  });

  constructor(options: EdgeLinkOptions) {
    this.edgeId = options.edgeId;
    this.incarnation = options.incarnation;
    this.#options = options;
    this.#tracker = new DeliveryTracker(options.clock);
  }

  /** So much waits for the edge to read that whatever can wait should. */
  get isBacklogged(): boolean {
    return this.#options.stream.queued >= BACKLOG_FRAMES;
  }

  deliver(delivery: Delivery): boolean {
    if (!this.#tracker.hasRoom || this.#options.stream.ended) return false;
    this.#tracker.count(delivery);
    this.#deliveries.push(delivery);
    this.#grew(delivery.message.envelope.length + delivery.targets.length * 5 + 128);
    return true;
  }

  notify(handles: readonly number[], notice: Notice): void {
    this.#frame.notices.push(noticeFrom(handles, notice));
    this.#grew(128);
  }

  sendOutcome(outcome: SendOutcome): void {
    this.#frame.sendOutcomes.push(outcome);
    this.#grew(48);
  }

  syncEvent(event: SyncEvent): void {
    this.#frame.syncEvents.push(event);
    this.#grew(event.event?.$case === 'message' ? event.event.value.envelope.length + 128 : 128);
  }

  fetchOutcome(outcome: FetchOutcome): void {
    this.#frame.fetchOutcomes.push(outcome);
    this.#grew(outcome.outcome?.$case === 'result' ? outcome.outcome.value.length : 64);
  }

  answered({ batchId, notHere }: DeliveryAnswer): void {
    this.#tracker.answer(batchId, notHere);
  }

  /** Gives up on what the edge has not answered in time. */
  sweep(): void {
    this.#tracker.sweep();
  }

  /** The stream is gone. */
  abandon(): void {
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    this.#frame = emptyFrame();
    this.#tracker.unsent(deliveries);
    this.#tracker.abandon();
  }

  /** Sends what is waiting. */
  flush(): void {
    const deliveries = this.#deliveries;
    const frame = this.#frame;
    if (this.#bytes === 0) return;
    this.#deliveries = [];
    this.#frame = emptyFrame();
    this.#bytes = 0;
    if (deliveries.length > 0) {
      frame.batches.push({ batchId: this.#tracker.sent(deliveries), deliveries: deliveries.map(deliveryFrom) });
    }
    this.#options.onFrame?.(deliveries.length);
    if (this.#options.stream.send(frame) || this.#options.stream.ended) return;
    // It does not read. Everything on this stream is asked again: sends by the edge, deliveries by the sweep.
    this.#options.stream.close(unavailable('EDGE_TOO_SLOW', 'the edge does not read its stream, connect again'));
  }

  #grew(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= MAX_BYTES) this.flush();
    else this.#pace.request();
  }
}

const emptyFrame = (): RouterToEdge => ({
  sendOutcomes: [],
  batches: [],
  syncEvents: [],
  fetchOutcomes: [],
  notices: [],
});

const deliveryFrom = ({ message, targets }: Delivery): WireDelivery => {
  const handles: number[] = [];
  const startingHandles: number[] = [];
  for (const { handle, starting } of targets) {
    handles.push(handle);
    if (starting) startingHandles.push(handle);
  }
  const { conversationId, seq, serverTimeMs, envelope, traceparent } = message;
  return { conversationId, seq, serverTimeMs, envelope: bufferOf(envelope), handles, startingHandles, traceparent };
};

const noticeFrom = (handles: readonly number[], notice: Notice): WireNotice => ({
  handles: [...handles],
  notice: noticeBody(notice),
});

const noticeBody = (notice: Notice): WireNotice['notice'] => {
  switch (notice.type) {
    case 'receipt':
      return { $case: 'receipt', value: { ...notice.mark, expiredSeq: notice.expiredSeq } };
    case 'gone': {
      const { conversationId, fromSeq, toSeq, reason } = notice;
      return { $case: 'gone', value: { conversationId, fromSeq, toSeq, reason: reason as GoneReason } };
    }
    case 'error':
      return { $case: 'error', value: errorFrom(notice.refusal, notice.conversationId, '') };
  }
};
