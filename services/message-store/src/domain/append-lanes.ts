import type { Clock } from '@godwit/runtime/clock';
import { fnv1a } from '@godwit/runtime/fnv1a';
import { AppendLane, LANE_LIMITS, type LaneObserver, type StoredEvent } from './append-lane.js';
import type { Head, HeadCache } from './head-cache.js';
import type { AppendLease, LogTime } from './lease.js';
import type { AppendLog } from './message-log.js';
import type { PendingAppend } from './open-appends.js';
import type { Unconfirmed } from './unconfirmed.js';

export interface AppendLanesOptions {
  /** How many. */
  readonly lanes: number;
  readonly log: AppendLog;
  readonly lease: AppendLease;
  readonly heads: HeadCache;
  /** The seq above which conversations begin. */
  readonly startsAbove: number;
  readonly clock: Clock;
  readonly unconfirmed: Unconfirmed;
  /** The stored head is to be raised, soon. */
  readonly raiseHead: (conversationId: string, head: Omit<Head, 'retention'>) => void;
  readonly troubled: LaneObserver['troubled'];
  /** An append was acked after this time. */
  readonly acked: (tookMs: number) => void;
  readonly onBatch: (items: number) => void;
}

const REFUSED_RETRY_MS = 1_000;

/** The lanes of this process, and which conversation is on which. */
export class AppendLanes {
  readonly #lanes: readonly AppendLane[];
  readonly #options: AppendLanesOptions;
  #stopped = false;

  constructor(options: AppendLanesOptions) {
    const { log, lease, heads, startsAbove, clock, troubled, onBatch } = options;
    this.#options = options;
    const observer: LaneObserver = {
      troubled,
      stored: (event) => {
        this.#stored(event);
      },
    };
    const common = { log, lease, heads, startsAbove, clock, limits: LANE_LIMITS, observer, onBatch };
    this.#lanes = Array.from(
      { length: options.lanes },
      (_, index) => new AppendLane({ name: `append-${index}`, ...common }),
    );
  }

  append(pending: PendingAppend): void {
    const { item, origin } = pending;
    const lane = this.#lanes[fnv1a(item.conversationId) % this.#lanes.length];
    if (lane === undefined || this.#stopped || this.#options.unconfirmed.full) {
      origin.answer(item.requestId, { kind: 'unavailable', retryAfterMs: REFUSED_RETRY_MS });
    } else lane.offer(pending);
  }

  /** Takes nothing more; what is queued goes on. */
  stop(): void {
    this.#stopped = true;
  }

  async drained(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.drained()));
  }

  /** The lowest moment since which a batch in flight may have landed. */
  lowestSince(): LogTime | undefined {
    let lowest: LogTime | undefined;
    for (const { inFlightSince } of this.#lanes) {
      if (inFlightSince !== undefined && (lowest === undefined || inFlightSince < lowest)) lowest = inFlightSince;
    }
    return lowest;
  }

  #stored({ conversationId, seq, router, since, membershipVersion, serverTimeMs, tookMs }: StoredEvent): void {
    const { unconfirmed, raiseHead, acked } = this.#options;
    unconfirmed.add({ conversationId, fromSeq: seq, toSeq: seq, router, since });
    raiseHead(conversationId, { seq, membershipVersion, serverTimeMs });
    acked(tookMs);
  }
}
