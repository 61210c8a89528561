import type { Clock } from '@godwit/runtime/clock';
import type { Delivery, Target } from './edges.js';

interface Batch {
  readonly deliveries: readonly Delivery[];
  readonly sentAt: number;
}

/**
 * A batch without an answer by then is lost when the edge has answered a later one, or nothing at all meanwhile: then the
 * sessions are looked up again. An edge answers in the order of its stream, so one that is on the way there is late, not
 * deaf, and would get the same twice.
 */
export const ANSWER_MS = 2_000;
/** An edge that is this late is as good as deaf. */
const LATE_MS = 5_000;
/** Targets that may be unanswered on one stream. */
const MAX_UNANSWERED = 100_000;

/** The batches on the stream to one edge that are not answered yet. */
export class DeliveryTracker {
  readonly #clock: Clock;
  readonly #batches = new Map<number, Batch>();
  #lastBatchId = 0;
  #targets = 0;
  /** The newest batch that was answered, and when an answer came last. */
  #answered = 0;
  #answeredAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the edge keeps up. */
  get hasRoom(): boolean {
    return this.#targets < MAX_UNANSWERED;
  }

  /** Targets that were handed over and not answered, those still waiting to be sent included. */
  get unanswered(): number {
    return this.#targets;
  }

  count(delivery: Delivery): void {
    this.#targets += delivery.targets.length;
  }

  /** A batch goes out; returns its id. */
  sent(deliveries: readonly Delivery[]): number {
    const batchId = ++this.#lastBatchId;
    this.#batches.set(batchId, { deliveries, sentAt: this.#clock.monotonic() });
    return batchId;
  }

  /** The edge's answer; one that comes too late is of no use any more. */
  answer(batchId: number, notHere: readonly number[]): void {
    this.#answered = Math.max(this.#answered, batchId);
    this.#answeredAt = this.#clock.monotonic();
    const batch = this.#batches.get(batchId);
    if (batch === undefined) return;
    this.#batches.delete(batchId);
    const missing = new Set(notHere);
    for (const delivery of batch.deliveries) {
      this.#targets -= delivery.targets.length;
      delivery.answered(missing.size === 0 ? NOBODY : delivery.targets.filter(({ handle }) => missing.has(handle)));
    }
  }

  /** Gives up on batches that are overdue. */
  sweep(): void {
    const now = this.#clock.monotonic();
    const isAnswering = now - this.#answeredAt < ANSWER_MS;
    // In the order they were sent.
    for (const [batchId, batch] of this.#batches) {
      if (now - batch.sentAt < ANSWER_MS) return;
      if (isAnswering && batchId > this.#answered && now - batch.sentAt < LATE_MS) return;
      this.#batches.delete(batchId);
      this.unsent(batch.deliveries);
    }
  }

  /** These will not be answered. */
  unsent(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      this.#targets -= delivery.targets.length;
      delivery.answered('no-answer');
    }
  }

  /** The stream is gone. */
  abandon(): void {
    const batches = [...this.#batches.values()];
    this.#batches.clear();
    for (const { deliveries } of batches) this.unsent(deliveries);
  }
}

const NOBODY: readonly Target[] = [];
