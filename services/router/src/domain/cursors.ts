import type { Clock } from '@godwit/runtime/clock';
import type { CursorRaise, MarkMove, MessageLog } from './ports.js';

/** The socket that is told when its cursor was above the head. */
export interface CursorOrigin {
  readonly edgeId: string;
  readonly edgeIncarnation: string;
  readonly handle: number;
}

export interface CursorsOptions {
  readonly log: Pick<MessageLog, 'raiseCursors'>;
  readonly intervalMs: number;
  /**
   * Each waits for a time between these, by chance, so that what many say at once is written bit by bit; not given: all
   * go with the next interval.
   */
  readonly hold?: { readonly minMs: number; readonly maxMs: number; readonly clock: Clock };
  readonly maxCursors: number;
  readonly onMoves: (moves: readonly MarkMove[]) => void;
  /** The log has these now. */
  readonly onRaised?: (raises: readonly CursorRaise[]) => void;
  readonly onAboveHead: (raise: CursorRaise, origin: CursorOrigin) => void;
  /** There was no room for it: the device's next ack, or its next sync, says it again. */
  readonly onDropped: () => void;
}

interface Waiting {
  readonly raise: CursorRaise;
  readonly origin: CursorOrigin | undefined;
  /** Monotonic ms. */
  readonly dueAt: number;
}

const keyOf = ({ conversationId, userId, deviceId }: CursorRaise): string => `${conversationId} ${userId} ${deviceId}`;

/** Acks and read marks on their way to the log: merged by device and conversation, since they only move forward. */
export class Cursors {
  readonly #options: CursorsOptions;
  #waiting = new Map<string, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CursorsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  raise(raise: CursorRaise, origin?: CursorOrigin): void {
    this.#merge({ raise, origin, dueAt: this.#dueAt() });
    if (!this.#stopped) this.#arm();
  }

  /** Sends what is here. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush();
  }

  #merge(next: Waiting): void {
    const key = keyOf(next.raise);
    const older = this.#waiting.get(key);
    if (older === undefined) {
      if (this.#waiting.size >= this.#options.maxCursors) this.#options.onDropped();
      else this.#waiting.set(key, next);
      return;
    }
    const raise = {
      ...next.raise,
      deliveredSeq: Math.max(older.raise.deliveredSeq, next.raise.deliveredSeq),
      readSeq: Math.max(older.raise.readSeq, next.raise.readSeq),
    };
    this.#waiting.set(key, { raise, origin: next.origin ?? older.origin, dueAt: older.dueAt });
  }

  #dueAt(): number {
    const { hold } = this.#options;
    return hold === undefined ? 0 : hold.clock.monotonic() + hold.minMs + Math.random() * (hold.maxMs - hold.minMs);
  }

  /** Takes what is due out of what waits. */
  #takeDue(): Map<string, Waiting> {
    const { hold } = this.#options;
    const all = this.#waiting;
    this.#waiting = new Map();
    if (hold === undefined || this.#stopped) return all;
    const now = hold.clock.monotonic();
    const due = new Map<string, Waiting>();
    for (const [key, waiting] of all) (waiting.dueAt <= now ? due : this.#waiting).set(key, waiting);
    return due;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#flushing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined;
        if (this.#waiting.size > 0 && !this.#stopped) this.#arm();
      });
    }, this.#options.intervalMs);
  }

  async #flush(): Promise<void> {
    const waiting = this.#takeDue();
    if (waiting.size === 0) return;
    const raises = [...waiting.values()].map(({ raise }) => raise);
    const { moves, aboveHead, failed } = await this.#options.log.raiseCursors(raises);
    for (const raise of failed) this.#merge({ raise, origin: waiting.get(keyOf(raise))?.origin, dueAt: 0 });
    for (const raise of aboveHead) {
      const origin = waiting.get(keyOf(raise))?.origin;
      if (origin !== undefined) this.#options.onAboveHead(raise, origin);
    }
    if (moves.length > 0) this.#options.onMoves(moves);
    this.#options.onRaised?.(without(raises, [...failed, ...aboveHead]));
  }
}

const without = (raises: readonly CursorRaise[], others: readonly CursorRaise[]): readonly CursorRaise[] => {
  if (others.length === 0) return raises;
  const keys = new Set(others.map(keyOf));
  return raises.filter((raise) => !keys.has(keyOf(raise)));
};
