import type { Wake } from './model.js';

export interface CollapseOptions {
  /** How long a wake waits for newer ones of the same user and conversation. */
  readonly windowMs: number;
  /** Sends the newest one. */
  readonly dispatch: (wake: Wake, delivery: number) => Promise<void>;
}

interface Waiting {
  readonly wake: Wake;
  readonly delivery: number;
  readonly settled: (result: Promise<void>) => void;
}

/**
 * Makes one push of the wakes of a conversation that come close together: those that a newer one replaces are done at
 * once, because the newer one is still in the queue and comes again should this process die.
 */
export class WakeCollapser {
  readonly #options: CollapseOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #draining = false;

  constructor(options: CollapseOptions) {
    this.#options = options;
  }

  /** Wakes that wait for newer ones. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when the wake was sent or a newer one stands for it; rejects when it has to come again. */
  add(wake: Wake, delivery: number): Promise<void> {
    const key = `${wake.userId}/${wake.conversationId}`;
    const older = this.#waiting.get(key);
    if (older !== undefined && older.wake.seq >= wake.seq) return Promise.resolve();
    older?.settled(Promise.resolve());
    return new Promise((resolve) => {
      this.#waiting.set(key, { wake, delivery, settled: resolve });
      if (this.#draining) this.#send(key);
      // The window begins with the first one: a lively conversation doesn't put its push off for ever.
      else if (older === undefined) this.#arm(key);
    });
  }

  /** Sends what waits now, and from now on everything at once: the process is stopping. */
  drain(): void {
    this.#draining = true;
    for (const key of [...this.#waiting.keys()]) this.#send(key);
  }

  #arm(key: string): void {
    const timer = setTimeout(() => {
      this.#send(key);
    }, this.#options.windowMs);
    this.#timers.set(key, timer);
  }

  #send(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    waiting?.settled(this.#options.dispatch(waiting.wake, waiting.delivery));
  }
}
