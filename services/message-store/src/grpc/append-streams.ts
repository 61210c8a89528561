import type {
  AppendItem as WireItem,
  AppendRequest,
  AppendResponse,
  ExpiredNotice,
} from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { invalidArgument, resourceExhausted } from '@godwit/rpc/rpc-error';
import type { ServerStream } from '@godwit/rpc/server-stream';
import { FRAME_GAP_MS, Pace } from '@godwit/runtime/pace';
import { idKey, type AppendOrigin } from '../domain/message.js';
import type { PendingAppend } from '../domain/open-appends.js';
import type { ExpiredRange } from '../domain/plan-reaping.js';
import type { FanOutOrder, Unconfirmed } from '../domain/unconfirmed.js';
import { toOutcome } from './mapping.js';
import { tracedOrigin } from './traced-origin.js';
import { problemWith } from './validate.js';

type Stream = ServerStream<AppendRequest, AppendResponse>;

/** With so many frames waiting to be read a router is given no more orders. */
const MAX_FRAMES_BEHIND = 128;

export interface AppendStreamsOptions {
  readonly unconfirmed: Unconfirmed;
  /** Puts an item into its lane. */
  readonly append: (pending: PendingAppend) => void;
  readonly ringVersion: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The streams of the routers, one each. A second one of the same router replaces the first. */
export class AppendStreams {
  readonly #options: AppendStreamsOptions;
  readonly #routers = new Map<string, RouterStream>();

  constructor(options: AppendStreamsOptions) {
    this.#options = options;
  }

  open(stream: Stream): void {
    let router: RouterStream | undefined;
    stream.onFrame((frame) => {
      router ??= this.#greet(stream, frame);
      router?.receive(frame);
    });
    stream.onEnd(() => {
      if (router === undefined || this.#routers.get(router.node) !== router) return;
      this.#routers.delete(router.node);
      this.#options.unconfirmed.routerLost(router.node);
    });
  }

  /** Gives an order to a router; false when it has no stream or its stream takes nothing. */
  give(router: string, order: FanOutOrder): boolean {
    return this.#routers.get(router)?.order(order) ?? false;
  }

  /** Tells whichever router the conversation has now. Nobody waits for it: heads tell it too. */
  tellExpired(conversationId: string, ranges: readonly ExpiredRange[]): void {
    const router = this.#options.unconfirmed.routerFor(conversationId);
    const stream = router === undefined ? undefined : this.#routers.get(router);
    stream?.tellExpired(ranges.map((range) => ({ conversationId, ...range })));
  }

  #greet(stream: Stream, { hello }: AppendRequest): RouterStream | undefined {
    if (hello === undefined || hello.node === '') {
      stream.close(invalidArgument('hello.node', 'the first frame says which router this is'));
      return undefined;
    }
    const router = new RouterStream(stream, hello.node, this.#options);
    const { unconfirmed } = this.#options;
    // A new stream may be a new incarnation, which knows nothing of what the old one had in hand.
    unconfirmed.routerLost(router.node);
    this.#routers.set(router.node, router);
    unconfirmed.routerConnected(router.node);
    return router;
  }
}

/** One router's stream. What there is to say at the same time leaves in one frame. */
class RouterStream implements AppendOrigin {
  readonly node: string;
  readonly #stream: Stream;
  readonly #options: AppendStreamsOptions;
  readonly #pace = new Pace({
    gapMs: FRAME_GAP_MS,
    flush: () => {
      this.#flush();
    },
  });
  #next: AppendResponse | undefined;

  constructor(stream: Stream, node: string, options: AppendStreamsOptions) {
    this.#stream = stream;
    this.node = node;
    this.#options = options;
  }

  /** Nobody, once the stream is gone: what is acked then has to be fanned out by another. */
  get router(): string {
    return this.#stream.ended ? '' : this.node;
  }

  receive({ items, confirmations }: AppendRequest): void {
    const { unconfirmed, now } = this.#options;
    for (const { conversationId, seq } of confirmations)
      unconfirmed.confirm({ conversationId, seq, router: this.node });
    if (items.length === 0) return;
    const queuedAt = now();
    for (const item of items) this.#take(item, queuedAt);
  }

  answer(requestId: number, outcome: Parameters<AppendOrigin['answer']>[1]): void {
    this.#frame().outcomes.push({ requestId, outcome: toOutcome(outcome, this.#options.ringVersion) });
  }

  /** False when the stream has ended, or its router has enough to do. */
  order({ conversationId, fromSeq, toSeq }: FanOutOrder): boolean {
    if (this.#stream.ended || this.#stream.queued > MAX_FRAMES_BEHIND) return false;
    this.#frame().orders.push({ conversationId, fromSeq, toSeq });
    return true;
  }

  tellExpired(notices: readonly ExpiredNotice[]): void {
    if (!this.#stream.ended) this.#frame().expired.push(...notices);
  }

  #take(item: WireItem, queuedAt: number): void {
    const problem = problemWith(item);
    if (problem === undefined) {
      const origin = tracedOrigin(this, item);
      this.#options.append({ item, origin, key: idKey(item), queuedAt });
    } else this.#frame().outcomes.push({ requestId: item.requestId, outcome: { $case: 'malformed', value: problem } });
  }

  /** The frame that leaves next. */
  #frame(): AppendResponse {
    if (this.#next === undefined) {
      this.#next = { outcomes: [], orders: [], expired: [] };
      this.#pace.request();
    }
    return this.#next;
  }

  #flush(): void {
    const frame = this.#next;
    this.#next = undefined;
    if (frame === undefined || this.#stream.ended || this.#stream.send(frame)) return;
    // Every item is answered or its outcome is unknown: a stream that can't answer has to break.
    this.#stream.close(resourceExhausted('STREAM_LAGS', 'this stream is not read fast enough'));
  }
}
