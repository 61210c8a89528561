import type { Deliver } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';

/** A run of seqs, both ends included. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** What stands at a seq: a message to show, or an own message that the app has shown when it was acked. */
export type Arrival = { readonly kind: 'message'; readonly deliver: Deliver } | { readonly kind: 'own' };

/** Messages, and runs of gone ones, that wait above a hole. What comes on top is asked for again when its turn comes. */
const MOST_WAITING = 1_000;
/** How long a hole is open before it is asked for; twice as long after each time that the answer did not fill it. */
const HOLE_MS = 1_000;
const LONGEST_HOLE_MS = 30_000;

/**
 * One conversation as this device sees it: each seq once and in order. Messages above a hole wait for it; a `gone` range
 * or a `position` fills holes.
 */
export class Inbox {
  readonly conversationId: string;
  #seen: number;
  /** The highest seq that is known to exist. */
  #heardOf: number;
  readonly #waiting = new Map<number, Arrival>();
  #gone: SeqRange[] = [];
  /** Monotonic ms since which the hole above `seen` has been open, or since it was asked for. */
  #holeSince = 0;
  #asked = 0;

  constructor(conversationId: string, seen: number) {
    this.conversationId = conversationId;
    this.#seen = this.#heardOf = seen;
  }

  /** The highest seq up to which everything was shown or is gone. */
  get seen(): number {
    return this.#seen;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Something above `seen` is known to exist and is missing. */
  get hasHole(): boolean {
    return this.#heardOf > this.#seen;
  }

  /** Takes what arrived at `seq`; returns what can be shown now, by seq. */
  accept(seq: number, arrival: Arrival, nowMs: number): Deliver[] {
    if (seq <= this.#seen || this.#waiting.has(seq)) return [];
    this.hearOf(seq, nowMs);
    if (seq > this.#seen + 1 && this.#waiting.size >= MOST_WAITING) return [];
    this.#waiting.set(seq, arrival);
    return this.#advance(nowMs);
  }

  /** These seqs hold nothing for this device. What is in hand of them is shown all the same. */
  skip(range: SeqRange, nowMs: number): Deliver[] {
    if (range.to <= this.#seen) return [];
    this.hearOf(range.to, nowMs);
    if (range.from > this.#seen + 1 && this.#gone.length >= MOST_WAITING) return [];
    this.#gone.push(range);
    return this.#advance(nowMs);
  }

  /** `seq` exists, and can't be taken now: it will be asked for. */
  hearOf(seq: number, nowMs: number): void {
    if (seq <= this.#heardOf) return;
    if (!this.hasHole) this.#holeSince = nowMs;
    this.#heardOf = seq;
  }

  /** The hole to ask for, once it has been open for a second; asking starts a longer wait. */
  takeHole(nowMs: number): SeqRange | undefined {
    const wait = Math.min(LONGEST_HOLE_MS, HOLE_MS * 2 ** this.#asked);
    if (!this.hasHole || nowMs - this.#holeSince < wait) return undefined;
    this.#holeSince = nowMs;
    this.#asked += 1;
    return { from: this.#seen + 1, to: this.#lowestAbove() - 1 };
  }

  #lowestAbove(): number {
    let lowest = this.#heardOf + 1;
    for (const range of this.#gone) lowest = Math.min(lowest, range.from);
    return this.#lowestWaiting(lowest);
  }

  #lowestWaiting(below: number): number {
    let lowest = below;
    for (const seq of this.#waiting.keys()) lowest = Math.min(lowest, seq);
    return lowest;
  }

  #advance(nowMs: number): Deliver[] {
    const before = this.#seen;
    const shown: Deliver[] = [];
    for (;;) {
      const next = this.#waiting.get(this.#seen + 1);
      if (next === undefined) {
        const gone = this.#gone.find((range) => range.from <= this.#seen + 1 && range.to > this.#seen);
        if (gone === undefined) break;
        this.#seen = Math.min(gone.to, this.#lowestWaiting(gone.to + 1) - 1);
      } else {
        this.#seen += 1;
        this.#waiting.delete(this.#seen);
        if (next.kind === 'message') shown.push(next.deliver);
      }
    }
    if (this.#seen > before) {
      this.#gone = this.#gone.filter((range) => range.to > this.#seen);
      this.#holeSince = nowMs;
      this.#asked = 0;
    }
    return shown;
  }
}
