import { sleep } from '@godwit/runtime/backoff';
import type { AppendLease, LogTime } from './lease.js';
import type { ProcessStore } from './process-store.js';

export const BEAT_MS = 1_000;
/**
 * Without a beat for so long this process appends nothing: a peer claims it after 5 s of silence and reads on for 10 s,
 * and what was sent before this moment lands well before that.
 */
const HOLDS_MS = 4_000;

export interface ProcessLeaseOptions {
  readonly incarnation: string;
  readonly node: string;
  readonly store: ProcessStore;
  /** The highest moment of the log that this process has seen. */
  readonly seenLogTime: () => LogTime;
  /** The lowest moment since which something may be unconfirmed; undefined: nothing is. */
  readonly lowestOpen: () => LogTime | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The row was claimed: this process must end. */
  readonly onClaimed: () => void;
  readonly onError: (error: unknown) => void;
}

/** Keeps this process's row. */
export class ProcessLease implements AppendLease {
  readonly #options: ProcessLeaseOptions;
  #beatenAt = -Infinity;
  #claimed = false;

  constructor(options: ProcessLeaseOptions) {
    this.#options = options;
  }

  holds(): boolean {
    return !this.#claimed && this.#options.now() - this.#beatenAt < HOLDS_MS;
  }

  seenLogTime(): LogTime {
    return this.#options.seenLogTime();
  }

  /** Writes the row; before the first append. */
  async register(): Promise<void> {
    const { store, incarnation, node, now } = this.#options;
    const startedAt = now();
    await store.register({ incarnation, node });
    this.#beatenAt = startedAt;
  }

  /** Beats until the signal ends it, or the row is taken. */
  async run(signal: AbortSignal): Promise<void> {
    while (!this.#claimed && (await sleep(BEAT_MS, signal))) await this.beat();
  }

  async beat(): Promise<void> {
    const { store, incarnation, now, seenLogTime, lowestOpen, onClaimed, onError } = this.#options;
    // Taken before the beat is sent: the peers' patience begins at the latest when it arrives.
    const startedAt = now();
    const seen = seenLogTime();
    const open = lowestOpen();
    try {
      if (await store.beat(incarnation, open !== undefined && open < seen ? open : seen)) this.#beatenAt = startedAt;
      else {
        this.#claimed = true;
        onClaimed();
      }
    } catch (error) {
      onError(error);
    }
  }
}
