import type { Deliver } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';

/** A run of seqs, both ends included. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** What stands at a seq: a message to show, or an own message that the app has shown when it was acked. */
export type Arrival = { readonly kind: 'message'; readonly deliver: Deliver } | { readonly kind: 'own' };

/**
 * One conversation as this device sees it: each seq once and in order. Messages above a hole wait for it; a `gone` range
 * or a `position` fills holes.
 */
export class Inbox {
  readonly conversationId: string;
  #seen: number;
  readonly #waiting = new Map<number, Arrival>();
  #goneAbove: SeqRange[] = [];
  /** Monotonic ms since which the hole below the lowest waiting message has been open; undefined: there is none. */
  #holeSince: number | undefined;

  constructor(conversationId: string, seen: number) {
    this.conversationId = conversationId;
    this.#seen = seen;
  }

  /** The highest seq up to which everything was shown or is gone. */
  get seen(): number {
    return this.#seen;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes what arrived at `seq`; returns what can be shown now, by seq. */
  accept(seq: number, arrival: Arrival, nowMs: number): Deliver[] {
    if (seq <= this.#seen || this.#waiting.has(seq)) return [];
    this.#waiting.set(seq, arrival);
    return this.#advance(nowMs);
  }

  /** These seqs hold nothing for this device. */
  skip(range: SeqRange, nowMs: number): Deliver[] {
    if (range.to <= this.#seen) return [];
    if (range.from <= this.#seen + 1) this.#seen = range.to;
    else this.#goneAbove.push(range);
    return this.#advance(nowMs);
  }

  /** The hole to ask for, once it has been open for `afterMs`; asking starts the wait anew. */
  takeHole(nowMs: number, afterMs: number): SeqRange | undefined {
    if (this.#holeSince === undefined || nowMs - this.#holeSince < afterMs) return undefined;
    this.#holeSince = nowMs;
    return { from: this.#seen + 1, to: this.#lowestAbove() - 1 };
  }

  #lowestAbove(): number {
    let lowest = Number.MAX_SAFE_INTEGER;
    for (const seq of this.#waiting.keys()) lowest = Math.min(lowest, seq);
    for (const range of this.#goneAbove) lowest = Math.min(lowest, range.from);
    return lowest;
  }

  #advance(nowMs: number): Deliver[] {
    const before = this.#seen;
    const shown: Deliver[] = [];
    for (;;) {
      const next = this.#waiting.get(this.#seen + 1);
      if (next !== undefined) {
        this.#waiting.delete(this.#seen + 1);
        this.#seen += 1;
        if (next.kind === 'message') shown.push(next.deliver);
      } else if (!this.#passGone()) {
        break;
      }
    }
    if (this.#seen > before) this.#dropSeen();
    const hole = this.#waiting.size > 0 || this.#goneAbove.length > 0;
    if (!hole) this.#holeSince = undefined;
    else if (this.#holeSince === undefined || this.#seen > before) this.#holeSince = nowMs;
    return shown;
  }

  #passGone(): boolean {
    if (this.#goneAbove.length === 0) return false;
    const next = this.#goneAbove.find((range) => range.from <= this.#seen + 1 && range.to > this.#seen);
    if (next === undefined) return false;
    this.#seen = next.to;
    return true;
  }

  #dropSeen(): void {
    for (const seq of this.#waiting.keys()) if (seq <= this.#seen) this.#waiting.delete(seq);
    this.#goneAbove = this.#goneAbove.filter((range) => range.to > this.#seen);
  }
}
