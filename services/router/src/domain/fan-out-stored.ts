import type { Clock } from '@godwit/runtime/clock';
import type { Appended, AppendItem } from './appender.js';
import type { Confirmations } from './confirmations.js';
import type { FanOut, Settled } from './fan-out.js';
import { KIND } from './kind.js';
import type { MessageLog, StoredMessage } from './ports.js';
import type { FanOutMessage } from './recipients.js';
import type { RecentMessages } from './recent-messages.js';

export interface FanOutStoredOptions {
  readonly log: MessageLog;
  readonly fanOut: FanOut;
  readonly confirmations: Confirmations;
  readonly recent: RecentMessages;
  readonly clock: Clock;
  readonly onFailed: (error: unknown) => void;
  readonly watch: WatchFanOut;
}

/** Hears how the way of one message to its devices ends, and how long after it was stored (or read from the log). */
export interface FanOutWatch {
  /** Of the way's span; empty: not traced. */
  readonly traceparent: string;
  settled(reached: boolean, milliseconds: number): void;
}

export type WatchFanOut = (message: FanOutMessage) => FanOutWatch;

/** A replica of the message store wants these fanned out: nobody confirmed that they were. */
export interface FanOutOrder {
  readonly node: string;
  readonly conversationId: string;
  readonly fromSeq: number;
  /** Included. */
  readonly toSeq: number;
}

const PAGE = 256;
/** Orders that are worked on at a time; the others wait. */
const CONCURRENCY = 8;
const MAX_WAITING = 50_000;

/** Sees to it that what was stored is fanned out and then confirmed, whether it was stored through here or not. */
export class FanOutStored {
  readonly #options: FanOutStoredOptions;
  readonly #orders = new Map<string, FanOutOrder>();
  readonly #working = new Set<string>();

  constructor(options: FanOutStoredOptions) {
    this.#options = options;
  }

  /** Orders that wait or are worked on. */
  get pending(): number {
    return this.#orders.size + this.#working.size;
  }

  /** An append of this router was acked. `exceptDeviceId`: the device that has the ack; empty: none. */
  stored(item: AppendItem, appended: Appended, exceptDeviceId: string): void {
    const { conversationId } = item;
    const { node, seq } = appended;
    if (appended.duplicate) {
      this.#storedBefore(node, conversationId, seq);
      return;
    }
    this.#submit(node, {
      conversationId,
      seq,
      serverTimeMs: appended.serverTimeMs,
      senderUserId: item.senderUserId,
      senderDeviceId: item.senderDeviceId,
      ackedDeviceId: exceptDeviceId,
      kind: item.kind,
      membershipVersion: item.kind === KIND.membership ? seq : appended.membershipVersion,
      envelope: item.envelope,
      traceparent: item.traceparent,
    });
  }

  /** The newest order of a conversation that waits includes the older. */
  order(order: FanOutOrder): void {
    const key = `${order.node} ${order.conversationId}`;
    const waiting = this.#orders.get(key);
    if (waiting === undefined && this.#orders.size >= MAX_WAITING) return;
    this.#orders.set(key, waiting === undefined ? order : union(waiting, order));
    this.#work();
  }

  /** A retry found its message stored. Whatever is acked is fanned out, unless that is what was done here just now. */
  #storedBefore(node: string, conversationId: string, seq: number): void {
    if (!this.#options.recent.has(conversationId, seq)) {
      this.order({ node, conversationId, fromSeq: seq, toSeq: seq });
      return;
    }
    this.#options.confirmations.expect(node, conversationId, seq);
    const settled = this.#settledOf(node, conversationId, seq);
    if (!this.#options.fanOut.follow(conversationId, seq, settled)) settled(true);
  }

  #submit(node: string, message: FanOutMessage): void {
    const { conversationId, seq } = message;
    const { confirmations, recent, fanOut, clock, watch } = this.#options;
    recent.add(conversationId, seq, message.senderUserId);
    confirmations.expect(node, conversationId, seq);
    const settled = this.#settledOf(node, conversationId, seq);
    const startedAt = clock.monotonic();
    const watching = watch(message);
    const { traceparent } = watching;
    fanOut.submit(traceparent === '' ? message : { ...message, traceparent }, (reached) => {
      settled(reached);
      watching.settled(reached, clock.monotonic() - startedAt);
    });
  }

  #settledOf(node: string, conversationId: string, seq: number): Settled {
    const { confirmations } = this.#options;
    return (reached) => {
      if (reached) confirmations.done(node, conversationId, seq);
      else confirmations.giveUp(node, conversationId, seq);
    };
  }

  #work(): void {
    for (const [key, order] of this.#orders) {
      if (this.#working.size >= CONCURRENCY) return;
      if (this.#working.has(key)) continue;
      this.#orders.delete(key);
      this.#working.add(key);
      void this.#fulfil(order)
        .catch((error: unknown) => {
          // The store orders it again, here or elsewhere.
          this.#options.onFailed(error);
        })
        .finally(() => {
          this.#working.delete(key);
          this.#work();
        });
    }
  }

  async #fulfil(order: FanOutOrder): Promise<void> {
    if (this.#follows(order)) return;
    const { node, conversationId, fromSeq, toSeq } = order;
    const range = { conversationId, beforeSeq: toSeq + 1, fromMs: 0, toMs: 0, limit: PAGE, newestFirst: false };
    for (let at = fromSeq - 1; at < toSeq;) {
      const page = await this.#options.log.read({ ...range, afterSeq: at });
      if (page.coveredToSeq <= at) throw new Error('the log does not have what it ordered to be fanned out');
      await this.#fanOutPage(node, page.messages);
      at = page.coveredToSeq;
      // What is gone needs nobody; confirming the last seq of the page covers it.
      if (page.messages.at(-1)?.seq !== at) this.#confirm(node, conversationId, at);
    }
  }

  /** True: all of it is on its way already, and the node is told when it is there. */
  #follows({ node, conversationId, fromSeq, toSeq }: FanOutOrder): boolean {
    const { fanOut, confirmations } = this.#options;
    for (let seq = fromSeq; seq <= toSeq; seq++) if (!fanOut.isUnderWay(conversationId, seq)) return false;
    for (let seq = fromSeq; seq <= toSeq; seq++) {
      confirmations.expect(node, conversationId, seq);
      fanOut.follow(conversationId, seq, this.#settledOf(node, conversationId, seq));
    }
    return true;
  }

  #confirm(node: string, conversationId: string, seq: number): void {
    this.#options.confirmations.expect(node, conversationId, seq);
    this.#options.confirmations.done(node, conversationId, seq);
  }

  /** Resolves when all are handed over, so that a long backlog does not pile up here. */
  async #fanOutPage(node: string, messages: readonly StoredMessage[]): Promise<void> {
    for (const message of messages) this.#submit(node, { ...message, ackedDeviceId: '', traceparent: '' });
    const { fanOut, clock } = this.#options;
    const endsAt = clock.monotonic() + 10_000;
    while (fanOut.pending > PAGE && clock.monotonic() < endsAt) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const union = (a: FanOutOrder, b: FanOutOrder): FanOutOrder => ({
  ...a,
  fromSeq: Math.min(a.fromSeq, b.fromSeq),
  toSeq: Math.max(a.toSeq, b.toSeq),
});
