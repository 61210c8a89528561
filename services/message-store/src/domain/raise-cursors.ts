import type { ConversationHeads } from './conversation-heads.js';
import { MarksCache } from './marks-cache.js';
import {
  memberKey,
  type CursorRaise,
  type CursorStore,
  type Mark,
  type MarkMove,
  type MemberRaise,
} from './cursors.js';

export interface RaiseResult {
  readonly moves: readonly MarkMove[];
  /** Raises that were above the head and did nothing: positions in the request. */
  readonly aboveHead: readonly number[];
}

export interface CursorRaiserOptions {
  readonly store: CursorStore;
  readonly heads: ConversationHeads;
  /** Raises are merged this long. */
  readonly intervalMs: number;
  /** Members that may wait; over it raises are refused. */
  readonly maxWaiting: number;
  /** Cursors of these conversations have moved. */
  readonly onRaised: (conversationIds: Iterable<string>) => void;
}

/** Members whose marks are remembered, some 300 bytes each. */
const KNOWN_MEMBERS = 50_000;

/** Refused: too much is waiting. */
export class TooManyRaises extends Error {
  override readonly name = 'TooManyRaises';
}

interface Waiting {
  readonly raises: Map<string, MemberRaise>;
  readonly written: Promise<ReadonlyMap<string, MarkMove>>;
  readonly start: () => void;
}

/**
 * Merges the raises of some hundred milliseconds into one write for each member. They may be merged, repeated and come
 * in any order, because they only raise.
 */
export class CursorRaiser {
  readonly #options: CursorRaiserOptions;
  readonly #marks = new MarksCache(KNOWN_MEMBERS);
  #waiting: Waiting | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: CursorRaiserOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the raises are stored.
   * @throws TooManyRaises
   */
  async raise(raises: readonly CursorRaise[]): Promise<RaiseResult> {
    const places = raises.map(({ conversationId, deliveredSeq, readSeq }) => {
      return { conversationId, seq: Math.max(deliveredSeq, readSeq) };
    });
    const aboveHead = await this.#options.heads.above(places);
    const good = raises.filter((_, index) => !aboveHead.has(index));
    if (good.length === 0) return { moves: [], aboveHead: [...aboveHead] };
    const waiting = (this.#waiting ??= this.#collect());
    if (waiting.raises.size + good.length > this.#options.maxWaiting) throw new TooManyRaises('too many raises wait');
    const keys = new Set(good.map((raise) => merge(waiting.raises, raise)));
    const written = await waiting.written;
    return { moves: [...keys].flatMap((key) => written.get(key) ?? []), aboveHead: [...aboveHead] };
  }

  /** Cursors that wait to be written. */
  get waiting(): number {
    return this.#waiting?.raises.size ?? 0;
  }

  /** Writes what waits, now. */
  async flush(): Promise<void> {
    const waiting = this.#waiting;
    waiting?.start();
    await Promise.allSettled([waiting?.written, this.#writing]);
  }

  #collect(): Waiting {
    const raises = new Map<string, MemberRaise>();
    let start: () => void = () => undefined;
    const collected = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.intervalMs);
      start = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    const written = collected.then(async () => {
      // One write at a time; what comes meanwhile waits together.
      await this.#writing;
      this.#waiting = undefined;
      const writing = this.#write(raises);
      this.#writing = writing.catch(() => undefined);
      return writing;
    });
    // Whoever waits hears of a failure; that nobody waits (its raise was refused) is no reason to end the process.
    written.catch(() => undefined);
    return { raises, written, start };
  }

  async #write(raises: ReadonlyMap<string, MemberRaise>): Promise<ReadonlyMap<string, MarkMove>> {
    const { store, onRaised } = this.#options;
    const members = [...raises.values()];
    const unknown = members.filter((member) => this.#marks.get(member) === undefined);
    const found = unknown.length === 0 ? NOTHING : await store.marksOf(unknown);
    await store.raise(members);
    onRaised(new Set(members.map(({ conversationId }) => conversationId)));
    const moves = new Map<string, MarkMove>();
    for (const [key, raise] of raises) {
      const before = this.#marks.get(raise) ?? found.get(key);
      const move = moveOf(raise, before);
      if (move !== undefined) moves.set(key, move);
      const mark = move?.mark ?? before;
      if (mark !== undefined) this.#marks.set(mark);
    }
    return moves;
  }
}

const NOTHING: ReadonlyMap<string, Mark> = new Map();

const merge = (raises: Map<string, MemberRaise>, raise: CursorRaise): string => {
  const key = memberKey(raise);
  let member = raises.get(key);
  if (member === undefined) {
    member = { conversationId: raise.conversationId, userId: raise.userId, delivered: new Map(), readSeq: 0 };
    raises.set(key, member);
  }
  if (raise.deliveredSeq > (member.delivered.get(raise.deviceId) ?? 0)) {
    member.delivered.set(raise.deviceId, raise.deliveredSeq);
  }
  member.readSeq = Math.max(member.readSeq, raise.readSeq);
  return key;
};

const moveOf = ({ conversationId, userId, delivered, readSeq }: MemberRaise, before?: Mark): MarkMove | undefined => {
  const previousDeliveredSeq = before?.deliveredSeq ?? 0;
  const previousReadSeq = before?.readSeq ?? 0;
  // Who has read something has it.
  const mark: Mark = {
    conversationId,
    userId,
    deliveredSeq: Math.max(previousDeliveredSeq, readSeq, ...delivered.values()),
    readSeq: Math.max(previousReadSeq, readSeq),
  };
  const moved = mark.deliveredSeq > previousDeliveredSeq || mark.readSeq > previousReadSeq;
  return moved ? { mark, previousDeliveredSeq, previousReadSeq } : undefined;
};
