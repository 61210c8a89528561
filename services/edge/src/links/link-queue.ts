import type { StreamLink } from '@godwit/rpc/stream-link';
import { FRAME_GAP_MS, Pace } from '@godwit/runtime/pace';

export interface LinkQueueOptions<Part, Out> {
  /** Puts parts into one frame, in their order. */
  readonly assemble: (parts: readonly Part[]) => Out;
  readonly bytesOf: (part: Part) => number;
  readonly maxParts: number;
  readonly maxBytes: number;
  /** Parts that wait at most; over it nothing is taken. */
  readonly maxQueued: number;
}

/** While the peer doesn't keep up, so long between looks. */
const BLOCKED_MS = 2;
/** A frame costs both ends some 100 µs, however little is in it. */
const LATER_MS = 20;

/**
 * Gathers what goes to a peer into frames: what comes in one turn of the event loop, or within a few ms of the frame
 * before, goes together, and while the peer lags behind what waits makes larger frames. Nothing waits for a peer that is
 * not there.
 */
export class LinkQueue<Part, Out> {
  readonly #link: Pick<StreamLink<unknown, Out>, 'up' | 'queued' | 'send'>;
  readonly #options: LinkQueueOptions<Part, Out>;
  #parts: Part[] = [];
  readonly #pace: Pace;
  #scheduled = false;
  #later: NodeJS.Timeout | undefined;

  constructor(link: Pick<StreamLink<unknown, Out>, 'up' | 'queued' | 'send'>, options: LinkQueueOptions<Part, Out>) {
    this.#link = link;
    this.#options = options;
    this.#pace = new Pace({ gapMs: FRAME_GAP_MS, flush: this.#pump });
  }

  /** Takes the part; false: the peer is not there, or too far behind. */
  offer(part: Part): boolean {
    if (!this.#take(part)) return false;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#pace.request();
    }
    return true;
  }

  /** As `offer`, for what nobody waits for: it goes with the next frame, or after a moment in one of its own. */
  offerLater(part: Part): boolean {
    if (!this.#take(part)) return false;
    if (!this.#scheduled) this.#later ??= setTimeout(this.#pump, LATER_MS);
    return true;
  }

  #take(part: Part): boolean {
    if (!this.#link.up || this.#parts.length >= this.#options.maxQueued) return false;
    this.#parts.push(part);
    return true;
  }

  /** The stream has broken: what waited was for it. */
  clear(): void {
    this.#parts = [];
  }

  readonly #pump = (): void => {
    this.#scheduled = false;
    clearTimeout(this.#later);
    this.#later = undefined;
    let next = 0;
    while (next < this.#parts.length && this.#link.queued === 0) {
      const end = this.#endOfFrame(next);
      if (!this.#link.send(this.#options.assemble(this.#parts.slice(next, end)))) break;
      next = end;
    }
    this.#parts = next === this.#parts.length ? [] : this.#parts.slice(next);
    if (this.#parts.length === 0) return;
    this.#scheduled = true;
    setTimeout(this.#pump, BLOCKED_MS);
  };

  #endOfFrame(start: number): number {
    const { maxParts, maxBytes, bytesOf } = this.#options;
    const limit = Math.min(this.#parts.length, start + maxParts);
    let bytes = 0;
    for (let index = start; index < limit; index++) {
      const part = this.#parts[index];
      bytes += part === undefined ? 0 : bytesOf(part);
      if (bytes > maxBytes && index > start) return index;
    }
    return limit;
  }
}
