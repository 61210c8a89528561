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
  readonly maxCursors: number;
  readonly onMoves: (moves: readonly MarkMove[]) => void;
  readonly onAboveHead: (raise: CursorRaise, origin: CursorOrigin) => void;
  /** There was no room for it: the device's next ack, or its next sync, says it again. */
  readonly onDropped: () => void;
}

interface Waiting {
  readonly raise: CursorRaise;
  readonly origin: CursorOrigin | undefined;
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
    this.#merge({ raise, origin });
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
    this.#waiting.set(key, { raise, origin: next.origin ?? older.origin });
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
    const waiting = this.#waiting;
    if (waiting.size === 0) return;
    this.#waiting = new Map();
    const { moves, aboveHead, failed } = await this.#options.log.raiseCursors(
      [...waiting.values()].map(({ raise }) => raise),
    );
    for (const raise of failed) this.#merge({ raise, origin: waiting.get(keyOf(raise))?.origin });
    for (const raise of aboveHead) {
      const origin = waiting.get(keyOf(raise))?.origin;
      if (origin !== undefined) this.#options.onAboveHead(raise, origin);
    }
    if (moves.length > 0) this.#options.onMoves(moves);
  }
}
