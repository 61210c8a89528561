import { HashRing } from '@godwit/ring/hash-ring';
import type { LogTime } from './lease.js';

/** After so long without a confirmation another router is asked. */
export const CONFIRM_WITHIN_MS = 3_000;
/** A router that confirmed something this recently is at work, and gets that time once more: it is slow, not lost. */
const AT_WORK_MS = 1_000;
/** Orders given in one go; the rest is due at the next tick. After an outage there may be very many. */
const MAX_ORDERS_A_TICK = 5_000;
/** Ranges kept apart in a conversation; more are merged, which only makes them wait for the oldest. */
const MAX_RANGES = 16;

/** An order to read the log and fan it out. */
export interface FanOutOrder {
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface ToFanOut extends FanOutOrder {
  /** Who is at it; undefined: nobody yet. */
  readonly router: string | undefined;
  readonly since: LogTime;
}

/** Gives an order to a router; false when it takes none now. */
export type GiveOrder = (router: string, order: FanOutOrder) => boolean;

interface Range {
  fromSeq: number;
  toSeq: number;
  since: LogTime;
  /** Monotonic: when the first of it came. */
  addedAt: number;
  /** Monotonic: when the next router is asked. */
  dueAt: number;
  router: string | undefined;
  /** It has been given its time once more. */
  prolonged: boolean;
}

export interface UnconfirmedOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly give: GiveOrder;
  /** Conversations held at most; over it `full` is true and appends are refused. */
  readonly maxConversations: number;
}

/** What was acked and is not yet known to be fanned out, by conversation; and who is asked next. */
export class Unconfirmed {
  readonly #options: UnconfirmedOptions;
  readonly #conversations = new Map<string, Range[]>();
  readonly #routers = new Set<string>();
  // By router: when it confirmed something last.
  readonly #confirmedAt = new Map<string, number>();
  #ring = new HashRing([]);

  constructor(options: UnconfirmedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#conversations.size;
  }

  get full(): boolean {
    return this.#conversations.size >= this.#options.maxConversations;
  }

  /** How long the oldest has waited. */
  get oldestMs(): number {
    const now = this.#options.now();
    let oldest = now;
    for (const ranges of this.#conversations.values()) {
      for (const { addedAt } of ranges) oldest = Math.min(oldest, addedAt);
    }
    return now - oldest;
  }

  get routers(): ReadonlySet<string> {
    return this.#routers;
  }

  routerConnected(router: string): void {
    if (this.#routers.has(router)) return;
    this.#routers.add(router);
    this.#ring = new HashRing(this.#routers);
  }

  /** Its stream broke: what it had in hand goes to the next router at once. */
  routerLost(router: string): void {
    this.#confirmedAt.delete(router);
    if (!this.#routers.delete(router)) return;
    this.#ring = new HashRing(this.#routers);
    const now = this.#options.now();
    for (const ranges of this.#conversations.values()) {
      for (const range of ranges) {
        if (range.router !== router) continue;
        range.router = undefined;
        range.dueAt = now;
      }
    }
    this.tick();
  }

  /** The router of a conversation, among those connected. */
  routerFor(conversationId: string): string | undefined {
    return this.#ring.owner(conversationId);
  }

  add({ conversationId, fromSeq, toSeq, router, since }: ToFanOut): void {
    const addedAt = this.#options.now();
    const dueAt = addedAt + CONFIRM_WITHIN_MS;
    const range: Range = { fromSeq, toSeq, since, addedAt, dueAt, router, prolonged: false };
    const ranges = this.#conversations.get(conversationId);
    if (ranges !== undefined && extend(ranges, range)) return;
    if (router === undefined || !this.#routers.has(router)) this.#order(conversationId, range);
    if (ranges === undefined) this.#conversations.set(conversationId, [range]);
    else insert(ranges, range);
  }

  /** Everything up to here that this router had in hand has been fanned out. */
  confirm({ conversationId, seq, router }: { conversationId: string; seq: number; router: string }): void {
    this.#confirmedAt.set(router, this.#options.now());
    const ranges = this.#conversations.get(conversationId);
    if (ranges === undefined) return;
    const left = ranges.filter((range) => {
      if (range.router !== router) return true;
      if (range.fromSeq <= seq) range.fromSeq = seq + 1;
      return range.fromSeq <= range.toSeq;
    });
    if (left.length === 0) this.#conversations.delete(conversationId);
    else if (left.length < ranges.length) this.#conversations.set(conversationId, left);
  }

  /** Whether nothing up to this seq waits any more. */
  isConfirmed(conversationId: string, upToSeq: number): boolean {
    const ranges = this.#conversations.get(conversationId);
    return ranges === undefined || ranges.every(({ fromSeq }) => fromSeq > upToSeq);
  }

  /** Asks the next router for what is due. Called a few times a second. */
  tick(): void {
    if (this.#routers.size === 0) return;
    const now = this.#options.now();
    let given = 0;
    for (const [conversationId, ranges] of this.#conversations) {
      for (const range of ranges) {
        if (range.dueAt <= now && !this.#prolongs(range, now) && this.#order(conversationId, range)) given++;
      }
      if (given >= MAX_ORDERS_A_TICK) return;
    }
  }

  /** The lowest moment since which something unconfirmed was sent to the log. */
  lowestSince(): LogTime | undefined {
    let lowest: LogTime | undefined;
    for (const ranges of this.#conversations.values()) {
      for (const { since } of ranges) if (lowest === undefined || since < lowest) lowest = since;
    }
    return lowest;
  }

  #prolongs(range: Range, now: number): boolean {
    const { router, prolonged } = range;
    if (prolonged || router === undefined || !this.#routers.has(router)) return false;
    if (now - (this.#confirmedAt.get(router) ?? -Infinity) > AT_WORK_MS) return false;
    range.prolonged = true;
    range.dueAt = now + CONFIRM_WITHIN_MS;
    return true;
  }

  /** Around the ring from the one that did not confirm; that one again only when there is no other. */
  #order(conversationId: string, range: Range): boolean {
    const around = this.#ring.successors(conversationId);
    const at = range.router === undefined ? -1 : around.indexOf(range.router);
    const { fromSeq, toSeq } = range;
    for (let step = 1; step <= around.length; step++) {
      const router = around[(at + step) % around.length];
      if (router === undefined || !this.#options.give(router, { conversationId, fromSeq, toSeq })) continue;
      range.router = router;
      range.prolonged = false;
      range.dueAt = this.#options.now() + CONFIRM_WITHIN_MS;
      return true;
    }
    // Nobody takes it: stays due, and is nobody's until then.
    range.dueAt = this.#options.now();
    return false;
  }
}

/** An append that follows what the same router was given last, sent to the log at the same moment or due soon after. */
const extend = (ranges: Range[], next: Range): boolean => {
  const last = ranges.at(-1);
  if (last === undefined || last.router !== next.router || last.toSeq + 1 !== next.fromSeq) return false;
  if (last.since !== next.since) return false;
  last.toSeq = next.toSeq;
  return true;
};

const insert = (ranges: Range[], next: Range): void => {
  ranges.push(next);
  if (ranges.length <= MAX_RANGES) return;
  // Merges the two oldest of the same router; the merged one is due when the first of them was.
  for (let index = 1; index < ranges.length; index++) {
    const [older, newer] = [ranges[index - 1], ranges[index]];
    if (older === undefined || newer === undefined || older.router !== newer.router) continue;
    older.fromSeq = Math.min(older.fromSeq, newer.fromSeq);
    older.toSeq = Math.max(older.toSeq, newer.toSeq);
    older.since = older.since < newer.since ? older.since : newer.since;
    older.dueAt = Math.min(older.dueAt, newer.dueAt);
    older.addedAt = Math.min(older.addedAt, newer.addedAt);
    ranges.splice(index, 1);
    return;
  }
};
