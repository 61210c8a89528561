import { fullJitter, sleep, type Backoff } from '@godwit/runtime/backoff';
import { Batcher } from '@godwit/runtime/batcher';
import type { Clock } from '@godwit/runtime/clock';
import { NO_HEAD, type HeadCache } from './head-cache.js';
import type { AppendLease, LogTime } from './lease.js';
import { KIND, type MessagePlace, type StoredAck, type TargetMessage } from './message.js';
import type { AppendLog, InsertResult } from './message-log.js';
import { numberBatch, type NumberedBatch } from './number-batch.js';
import {
  answerStored,
  groupById,
  settleRefused,
  settleStored,
  type OpenAppend,
  type PendingAppend,
} from './open-appends.js';
import { RecentAcks } from './recent-acks.js';
import { needsTarget } from './target-rules.js';

export interface LaneLimits {
  readonly maxBatchItems: number;
  readonly maxBatchBytes: number;
  readonly maxQueuedItems: number;
  readonly maxQueuedBytes: number;
  /** Between the starts of two batches. */
  readonly gapMs: number;
  /** An item that has waited longer is refused: its router gives up soon, and others are fresher. */
  readonly maxWaitMs: number;
  /** How long a batch whose outcome is uncertain is worked on. */
  readonly deadlineMs: number;
  /** Pauses between its attempts. */
  readonly retryMs: Backoff;
}

export const LANE_LIMITS: LaneLimits = {
  maxBatchItems: 256,
  maxBatchBytes: 1_048_576,
  maxQueuedItems: 4_096,
  maxQueuedBytes: 33_554_432,
  // Some 2 ms of CPU go into a batch, here, in mongod and on the way back, whatever is in it: about what a journaled write
  // takes, so that waiting for it costs little and a store makes 170 batches a second at most.
  gapMs: 6,
  maxWaitMs: 5_000,
  deadlineMs: 8_000,
  retryMs: { minMs: 5, maxMs: 400 },
};

/** A message that was acked and has to be fanned out. */
export interface StoredEvent extends MessagePlace {
  readonly router: string;
  /** The log had not passed this moment when the message was first sent to it. */
  readonly since: LogTime;
  readonly membershipVersion: number;
  readonly serverTimeMs: number;
  /** From its arrival until now. */
  readonly tookMs: number;
}

export interface LaneObserver {
  stored(event: StoredEvent): void;
  /** A read failed, or an insert was no plain success. */
  troubled(what: 'read' | 'seq-taken' | 'id-taken' | 'uncertain', error: unknown): void;
}

export interface LaneOptions {
  readonly name: string;
  readonly log: AppendLog;
  readonly lease: AppendLease;
  readonly heads: HeadCache;
  /** The seq above which conversations begin. */
  readonly startsAbove: number;
  readonly clock: Clock;
  readonly limits: LaneLimits;
  readonly observer: LaneObserver;
  readonly onBatch?: (items: number) => void;
}

const RECENT_ACKS = 2_048;
const UNAVAILABLE_RETRY_MS = 500;
/** Duplicate seqs in a row after which a conversation has another owner. */
const MAX_SEQ_RELOADS = 2;

/** What is known of a batch while it is being decided. */
interface Deciding {
  opens: OpenAppend[];
  readonly since: LogTime;
  readonly endsAt: number;
  readonly seqReloads: Map<string, number>;
}

/**
 * One of the queues of the append path. It has one batch in flight; a conversation is always on the same lane. So the
 * numbers of a batch are given knowing the fate of the one before.
 */
export class AppendLane {
  readonly #options: LaneOptions;
  readonly #batcher: Batcher<PendingAppend>;
  readonly #recent = new RecentAcks(RECENT_ACKS);
  #queuedBytes = 0;
  #isFull = false;
  #inFlightSince: LogTime | undefined;

  constructor(options: LaneOptions) {
    const { limits } = options;
    this.#options = options;
    this.#batcher = new Batcher<PendingAppend>({
      name: options.name,
      maxItems: limits.maxBatchItems,
      maxBytes: limits.maxBatchBytes,
      sizeOf: ({ item }) => item.envelope.length,
      maxQueued: limits.maxQueuedItems,
      gapMs: limits.gapMs,
      flush: (batch) => this.#run(batch),
      onError: (error, batch) => {
        options.observer.troubled('uncertain', error);
        for (const pending of batch) this.#refuse(pending);
      },
      ...(options.onBatch === undefined ? {} : { onBatch: options.onBatch }),
    });
  }

  get queued(): number {
    return this.#batcher.queued;
  }

  /** The moment of the log before the batch in flight was first sent. */
  get inFlightSince(): LogTime | undefined {
    return this.#inFlightSince;
  }

  /**
   * Takes the item, or answers at once that there is no room: refusing early keeps what is taken fast. Once full it takes
   * nothing before half has gone: else the room that each batch makes would go to what was sent after what was refused.
   */
  offer(pending: PendingAppend): void {
    const { maxQueuedItems, maxQueuedBytes } = this.#options.limits;
    const bytes = pending.item.envelope.length;
    const share = this.#isFull ? 2 : 1;
    const fits = this.queued < maxQueuedItems / share && this.#queuedBytes + bytes <= maxQueuedBytes / share;
    this.#isFull = !fits;
    if (!fits || !this.#batcher.offer(pending)) this.#refuse(pending);
    else this.#queuedBytes += bytes;
  }

  drained(): Promise<void> {
    return this.#batcher.drained();
  }

  #refuse({ item, origin }: PendingAppend): void {
    origin.answer(item.requestId, { kind: 'unavailable', retryAfterMs: UNAVAILABLE_RETRY_MS });
  }

  async #run(batch: readonly PendingAppend[]): Promise<void> {
    const { clock, lease, limits } = this.#options;
    const now = clock.monotonic();
    const fresh: PendingAppend[] = [];
    for (const pending of batch) {
      this.#queuedBytes -= pending.item.envelope.length;
      const recent = this.#recent.get(pending.key);
      if (recent !== undefined) answerStored(pending, recent, true);
      else if (now - pending.queuedAt > limits.maxWaitMs) this.#refuse(pending);
      else fresh.push(pending);
    }
    if (fresh.length === 0) return;
    const since = lease.seenLogTime();
    this.#inFlightSince = since;
    try {
      const endsAt = now + limits.deadlineMs;
      await this.#decide({ opens: groupById(fresh), since, endsAt, seqReloads: new Map() });
    } finally {
      this.#inFlightSince = undefined;
    }
  }

  /** Tries until every item has its answer or the time is up. Nothing is ever sent again under its old number. */
  async #decide(deciding: Deciding): Promise<void> {
    const { clock, lease, limits } = this.#options;
    for (let attempt = 0; ; attempt++) {
      if (lease.holds() && (await this.#attempt(deciding))) return;
      if (clock.monotonic() >= deciding.endsAt) break;
      await sleep(fullJitter(limits.retryMs, attempt));
      if (clock.monotonic() >= deciding.endsAt) break;
    }
    for (const open of deciding.opens) {
      settleRefused(open, { kind: 'unavailable', retryAfterMs: UNAVAILABLE_RETRY_MS });
    }
  }

  /** True when all is answered. Else what is still open is in `deciding`, to be looked up first where it was sent. */
  async #attempt(deciding: Deciding): Promise<boolean> {
    const { log, observer } = this.#options;
    let plan: NumberedBatch;
    try {
      await this.#settleFound(deciding);
      if (deciding.opens.length === 0) return true;
      plan = await this.#number(deciding);
    } catch (error) {
      observer.troubled('read', error);
      return false;
    }
    for (const { open, outcome } of plan.refused) settleRefused(open, outcome);
    deciding.opens = plan.numbered.map(({ open }) => open);
    if (plan.numbered.length === 0) return true;
    const result = await log.insert(plan.numbered.map(({ message }) => message));
    if (result.kind !== 'stored') {
      this.#doubt(plan, deciding, result);
      return false;
    }
    await this.#removeDeletedEdits(plan);
    this.#settleInserted(plan, deciding);
    return true;
  }

  /** Looks up what may be stored already; what is found is acked as it is stored. */
  async #settleFound(deciding: Deciding): Promise<void> {
    const doubtful = deciding.opens.filter(({ lookUp }) => lookUp);
    if (doubtful.length === 0) return;
    const found = await this.#options.log.findByIds(doubtful.map(({ item }) => item));
    deciding.opens = deciding.opens.filter((open) => {
      if (!open.lookUp) return true;
      open.lookUp = false;
      const stored = found.get(open.key);
      if (stored !== undefined) this.#ack(open, stored, { since: deciding.since, duplicate: true });
      else if ((deciding.seqReloads.get(open.item.conversationId) ?? 0) >= MAX_SEQ_RELOADS) {
        settleRefused(open, { kind: 'not-owner' });
      } else return true;
      return false;
    });
  }

  async #number({ opens }: Deciding): Promise<NumberedBatch> {
    const { heads, clock, log, startsAbove } = this.#options;
    await this.#loadMissingHeads(opens);
    const places = opens
      .filter(({ item }) => item.targetSeq > 0 && needsTarget(item))
      .map(({ item }) => ({ conversationId: item.conversationId, seq: item.targetSeq }));
    const targets: ReadonlyMap<string, TargetMessage> = places.length === 0 ? new Map() : await log.findTargets(places);
    const headOf = (conversationId: string) => heads.get(conversationId) ?? NO_HEAD;
    const plan = numberBatch({ opens, headOf, targets, startsAbove, now: clock.now() });
    await this.#removeDeleted(plan);
    return plan;
  }

  async #loadMissingHeads(opens: readonly OpenAppend[]): Promise<void> {
    const { heads, log } = this.#options;
    const missing = new Set<string>();
    for (const { item } of opens) {
      const known = heads.get(item.conversationId);
      // A sender that was checked with a later version: another store has appended meanwhile, and ours is behind.
      if (known === undefined || known.membershipVersion < item.membershipVersion) missing.add(item.conversationId);
    }
    if (missing.size === 0) return;
    const loaded = await log.loadHeads([...missing]);
    for (const conversationId of missing) heads.set(conversationId, loaded.get(conversationId) ?? NO_HEAD);
  }

  /** The payload goes before the message that says so is there: nobody reads of a deletion and still finds it. */
  async #removeDeleted({ numbered }: NumberedBatch): Promise<void> {
    const places = numbered
      .filter(({ message }) => message.item.kind === KIND.delete)
      .map(({ message: { item } }) => ({ conversationId: item.conversationId, seq: item.targetSeq }));
    if (places.length > 0) await this.#options.log.removePayloads(places);
  }

  /** An edit that was numbered beside the deletion of its target was not there yet when payloads were removed. */
  async #removeDeletedEdits(plan: NumberedBatch): Promise<void> {
    const kinds = new Set(plan.numbered.map(({ message }) => message.item.kind));
    if (!kinds.has(KIND.delete) || !kinds.has(KIND.edit)) return;
    try {
      await this.#removeDeleted(plan);
    } catch (error) {
      this.#options.observer.troubled('read', error);
    }
  }

  #settleInserted({ numbered, heads }: NumberedBatch, { since }: Deciding): void {
    const cache = this.#options.heads;
    for (const [conversationId, head] of heads) {
      // The retention may have been set anew meanwhile; the cached one is the newer.
      cache.set(conversationId, { ...head, retention: cache.peek(conversationId)?.retention ?? head.retention });
    }
    for (const { open, message } of numbered) {
      const { seq, serverTimeMs, membershipVersion, item } = message;
      const stored = { seq, serverTimeMs, membershipVersion, bodyHash: item.bodyHash };
      this.#ack(open, stored, { since, duplicate: false });
    }
  }

  /** Whatever is acked is fanned out, what was found too: an insert may land after its timeout. */
  #ack(open: OpenAppend, stored: StoredAck, { since, duplicate }: { since: LogTime; duplicate: boolean }): void {
    const { seq, serverTimeMs, membershipVersion } = stored;
    const { conversationId } = open.item;
    // A copy of the hash: the item's is a view into the frame it came in, which may be large.
    this.#recent.set(open.key, { seq, serverTimeMs, membershipVersion, bodyHash: Uint8Array.from(stored.bodyHash) });
    this.#options.observer.stored({
      conversationId,
      seq,
      serverTimeMs,
      membershipVersion,
      since,
      router: open.origin.router,
      tookMs: this.#options.clock.monotonic() - open.queuedAt,
    });
    settleStored(open, stored, duplicate);
  }

  #doubt(
    { numbered, heads }: NumberedBatch,
    deciding: Deciding,
    result: Exclude<InsertResult, { kind: 'stored' }>,
  ): void {
    for (const conversationId of heads.keys()) this.#options.heads.forget(conversationId);
    for (const { open } of numbered) open.lookUp = true;
    this.#options.observer.troubled(result.kind, result.kind === 'uncertain' ? result.error : undefined);
    if (result.kind !== 'seq-taken') return;
    const conversationId = numbered[result.position]?.message.item.conversationId;
    if (conversationId === undefined) return;
    deciding.seqReloads.set(conversationId, (deciding.seqReloads.get(conversationId) ?? 0) + 1);
  }
}
