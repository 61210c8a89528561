/**
 * How often frames leave a stream: what is gathered goes at the end of this turn of the event loop, or, where the last
 * frame left less than the gap ago, when that is over. A lone item is never held back, and what comes faster than frames
 * should makes larger ones: a frame costs both of its ends far more than one more item in it.
 */
export class Pace {
  readonly #gapMs: number;
  readonly #flush: () => void;
  #lastAt = -Infinity;
  #scheduled = false;

  constructor({ gapMs, flush }: { readonly gapMs: number; readonly flush: () => void }) {
    this.#gapMs = gapMs;
    this.#flush = flush;
  }

  /** There is something to flush. */
  request(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const waitMs = this.#lastAt + this.#gapMs - performance.now();
    if (waitMs < 1) setImmediate(this.#run);
    else setTimeout(this.#run, waitMs);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#lastAt = performance.now();
    this.#flush();
  };
}

/** Of the streams of a message's way: a few ms of an ack's time at most, and nothing of a lone one's. */
export const FRAME_GAP_MS = 2;
