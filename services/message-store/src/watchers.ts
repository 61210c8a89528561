import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { batchItems } from '@godwit/telemetry/catalogue/libs';
import {
  storeAckSeconds,
  storeClaims,
  storeHoles,
  storeInsertSeconds,
  storeOrders,
  storeReaped,
  storeTroubles,
  storeUnconfirmed,
  storeUnconfirmedAge,
  storeWaitingCursors,
} from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { AppendLanesOptions } from './domain/append-lanes.js';
import type { ClaimerOptions } from './domain/claim-processes.js';
import { GONE } from './domain/message.js';
import type { AppendLog } from './domain/message-log.js';
import type { ReaperObserver } from './domain/reaper.js';

/** A kind of trouble is logged at most this often; the metrics count all of it. */
const LOG_EVERY_MS = 5_000;

/** What the rules tell of themselves, as metrics and rare lines in the log. */
export class Watchers {
  readonly #life: Lifecycle;
  readonly #metrics: Metrics;
  readonly #loggedAt = new Map<string, number>();
  // There with 0 from the start: an alarm on the first of them needs the value before it.
  readonly #holes;
  readonly #orders;

  constructor(life: Lifecycle, metrics: Metrics) {
    this.#life = life;
    this.#metrics = metrics;
    this.#holes = metrics.counter(storeHoles);
    this.#orders = metrics.counter(storeOrders);
  }

  get lanes(): Pick<AppendLanesOptions, 'troubled' | 'acked' | 'onBatch'> {
    const ack = this.#metrics.histogram(storeAckSeconds);
    const batch = this.#metrics.histogram(batchItems).labels({ queue: 'append' });
    const troubles = this.#metrics.counter(storeTroubles);
    return {
      acked: (tookMs) => {
        ack.observe(tookMs / 1_000);
      },
      onBatch: (items) => {
        batch.observe(items);
      },
      troubled: (what, error) => {
        troubles.labels({ what }).inc();
        if (error !== undefined) this.failed(what, error);
      },
    };
  }

  get claimer(): ClaimerOptions['observer'] {
    const claims = this.#metrics.counter(storeClaims);
    return {
      claimed: ({ incarnation, node }) => {
        claims.labels({ outcome: 'claimed' }).inc();
        this.#life.logger.warn({ incarnation, node }, 'a store process seems dead, its appends are taken over');
      },
      recovered: ({ incarnation, node }, conversations) => {
        claims.labels({ outcome: 'recovered' }).inc();
        this.#life.logger.info({ incarnation, node, conversations }, 'the appends of a dead process are fanned out');
      },
      failed: (error) => {
        claims.labels({ outcome: 'failed' }).inc();
        this.failed('claim', error);
      },
    };
  }

  reaper(expired: ReaperObserver['expired']): ReaperObserver {
    const reaped = this.#metrics.counter(storeReaped);
    return {
      removed: (reason, count) => {
        if (count > 0) reaped.labels({ reason: reason === GONE.expired ? 'expired' : 'delivered' }).inc(count);
      },
      failed: (error) => {
        this.failed('reaper', error);
      },
      hole: (conversationId) => {
        this.hole(conversationId);
      },
      expired,
    };
  }

  /** The log, with how long its inserts take. */
  log(log: AppendLog): AppendLog {
    const seconds = this.#metrics.histogram(storeInsertSeconds);
    return {
      loadHeads: (conversationIds) => log.loadHeads(conversationIds),
      findByIds: (ids) => log.findByIds(ids),
      findTargets: (places) => log.findTargets(places),
      removePayloads: (places) => log.removePayloads(places),
      insert: async (messages) => {
        const startedAt = performance.now();
        const result = await log.insert(messages);
        seconds.labels({ outcome: result.kind }).observe((performance.now() - startedAt) / 1_000);
        return result;
      },
    };
  }

  /** What is read when the metrics are. */
  waiting({ unconfirmedMs, cursors }: { unconfirmedMs: () => number; cursors: () => number }): void {
    this.#metrics.observe(storeUnconfirmedAge, () => unconfirmedMs() / 1_000);
    this.#metrics.observe(storeWaitingCursors, cursors);
  }

  hole(conversationId: string): void {
    this.#holes.inc();
    this.#life.logger.error({ conversationId }, 'a document above the floor is missing');
  }

  ordered(): void {
    this.#orders.inc();
  }

  unconfirmed(conversations: number): void {
    this.#metrics.gauge(storeUnconfirmed).set(conversations);
  }

  failed(what: string, error: unknown): void {
    const now = performance.now();
    if (now - (this.#loggedAt.get(what) ?? -Infinity) < LOG_EVERY_MS) return;
    this.#loggedAt.set(what, now);
    this.#life.logger.warn({ err: error, what }, 'something failed that is tried again');
  }
}
