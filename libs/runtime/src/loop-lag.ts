export interface LoopLagOptions {
  /** Monotonic ms. */
  readonly now: () => number;
  /** Between two looks. */
  readonly everyMs: number;
  /** A look that comes later than this is late. */
  readonly targetMs: number;
  /** One long turn makes one look late; so many in a row are more work than the loop gets done. */
  readonly looks: number;
}

/**
 * Whether the event loop is behind: what waits for it, waits in sockets of the kernel, where no queue of ours sees it. Timers
 * tell, which then fire late.
 */
export class LoopLag {
  readonly #options: LoopLagOptions;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;
  #late = 0;

  constructor(options: LoopLagOptions) {
    this.#options = options;
  }

  start(): void {
    const { now, everyMs } = this.#options;
    this.#dueAt = now() + everyMs;
    this.#timer = setInterval(() => {
      this.look();
    }, everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get isBehind(): boolean {
    return this.#late >= this.#options.looks;
  }

  /** Called by the timer. */
  look(): void {
    const { now, everyMs, targetMs } = this.#options;
    const time = now();
    this.#late = time - this.#dueAt > targetMs ? this.#late + 1 : 0;
    this.#dueAt = time + everyMs;
  }
}
