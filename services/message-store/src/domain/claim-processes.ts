import { sleep } from '@godwit/runtime/backoff';
import type { LogTime } from './lease.js';
import { HistoryLost, type AppendHistory, type ProcessStore } from './process-store.js';
import { ProcessWatch, type ProcessRow } from './process-watch.js';
import type { Unconfirmed } from './unconfirmed.js';

const LOOK_MS = 1_000;
const GRACE_MS = 10_000;

export interface ClaimerOptions {
  readonly incarnation: string;
  readonly store: ProcessStore;
  readonly history: AppendHistory;
  readonly unconfirmed: Pick<Unconfirmed, 'add' | 'isConfirmed'>;
  readonly seenLogTime: () => LogTime;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Pause between two looks (default 1 s). */
  readonly lookMs?: number;
  readonly observer: {
    claimed(row: ProcessRow): void;
    /** All of its appends are fanned out. */
    recovered(row: ProcessRow, conversations: number): void;
    failed(error: unknown): void;
  };
}

/** Looks after the other store processes: what a dead one appended and nobody confirmed is fanned out. */
export class Claimer {
  readonly #options: ClaimerOptions;
  readonly #watch: ProcessWatch;
  readonly #recovering = new Map<string, Promise<void>>();

  constructor(options: ClaimerOptions) {
    this.#options = options;
    this.#watch = new ProcessWatch(options.incarnation);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (await sleep(this.#options.lookMs ?? LOOK_MS, signal)) {
      try {
        await this.#look(signal);
      } catch (error) {
        this.#options.observer.failed(error);
      }
    }
    await Promise.allSettled(this.#recovering.values());
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store, now, incarnation, observer } = this.#options;
    const dead = this.#watch.look(await store.rows(), now());
    for (const row of dead) {
      if (this.#recovering.has(row.incarnation)) continue;
      const claim = await store.claim(row, incarnation);
      if (claim === undefined) continue;
      observer.claimed(row);
      const recovery = this.#recover(row, claim.confirmedAt, signal)
        .catch((error: unknown) => {
          observer.failed(error);
        })
        .finally(() => this.#recovering.delete(row.incarnation));
      this.#recovering.set(row.incarnation, recovery);
    }
  }

  async #recover(row: ProcessRow, since: LogTime, signal: AbortSignal): Promise<void> {
    const { store, incarnation, observer, unconfirmed } = this.#options;
    const done = new AbortController();
    const working = this.#keepClaim(row, AbortSignal.any([signal, done.signal]));
    try {
      const upTo = await this.#fanOutSince(row, since, signal);
      const isDone = (): boolean => [...upTo].every(([id, seq]) => unconfirmed.isConfirmed(id, seq));
      while (!isDone()) if (!(await sleep(200, signal))) return;
      if (signal.aborted || !(await store.beatClaim(row.incarnation, incarnation))) return;
      await store.remove(row.incarnation);
      observer.recovered(row, upTo.size);
    } catch (error) {
      // What was unconfirmed then is found by syncs only. Keeping the row would not bring it back.
      if (error instanceof HistoryLost) await store.remove(row.incarnation);
      throw error;
    } finally {
      done.abort();
      await working;
    }
  }

  /** Conversation -> the highest seq found. */
  async #fanOutSince(row: ProcessRow, since: LogTime, signal: AbortSignal): Promise<Map<string, number>> {
    const { history, unconfirmed, seenLogTime } = this.#options;
    const upTo = new Map<string, number>();
    for await (const places of history.insertsOf(row.incarnation, since, { graceMs: GRACE_MS, signal })) {
      const ranges = new Map<string, { fromSeq: number; toSeq: number }>();
      for (const { conversationId, seq } of places) {
        const { fromSeq, toSeq } = ranges.get(conversationId) ?? { fromSeq: seq, toSeq: seq };
        ranges.set(conversationId, { fromSeq: Math.min(fromSeq, seq), toSeq: Math.max(toSeq, seq) });
      }
      for (const [conversationId, range] of ranges) {
        unconfirmed.add({ conversationId, ...range, router: undefined, since: seenLogTime() });
        upTo.set(conversationId, Math.max(upTo.get(conversationId) ?? 0, range.toSeq));
      }
    }
    return upTo;
  }

  async #keepClaim({ incarnation }: ProcessRow, signal: AbortSignal): Promise<void> {
    const { store, observer } = this.#options;
    while (await sleep(LOOK_MS, signal)) {
      try {
        await store.beatClaim(incarnation, this.#options.incarnation);
      } catch (error) {
        observer.failed(error);
      }
    }
  }
}
