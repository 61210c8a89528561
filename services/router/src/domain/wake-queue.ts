import type { Clock } from '@godwit/runtime/clock';
import type { Wake, WakeSink } from './ports.js';

export interface WakeQueueOptions {
  readonly sink: WakeSink;
  readonly clock: Clock;
  readonly maxWakes: number;
  /** The queue is full: the oldest went. */
  readonly onDropped: () => void;
}

const CONCURRENCY = 32;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

/**
 * Wakes on their way to PUSH: one for each user and conversation, the newest, kept until the stream has taken it. While
 * NATS is away they wait here, within bounds.
 */
export class WakeQueue {
  readonly #options: WakeQueueOptions;
  /** In the order to be tried. */
  readonly #wakes = new Map<string, Wake>();
  /** Keys of those that are being stored. */
  readonly #inStore = new Set<string>();
  #pauseMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WakeQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#wakes.size;
  }

  add(wake: Wake): void {
    const key = `${wake.userId} ${wake.conversationId}`;
    const older = this.#wakes.get(key);
    if (older !== undefined && older.seq >= wake.seq) return;
    if (older === undefined && this.#wakes.size >= this.#options.maxWakes) this.#dropOldest();
    this.#wakes.set(key, wake);
    this.#pump();
  }

  /** Tries once more what is here, and then no longer. */
  async stop(deadlineMs: number): Promise<void> {
    const endsAt = this.#options.clock.monotonic() + deadlineMs;
    while (this.#wakes.size > 0 && this.#pauseMs === 0 && this.#options.clock.monotonic() < endsAt) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #pump(): void {
    if (this.#stopped || this.#timer !== undefined) return;
    for (const [key, wake] of this.#wakes) {
      if (this.#inStore.size >= CONCURRENCY) return;
      if (!this.#inStore.has(key)) this.#store(key, wake);
    }
  }

  #store(key: string, wake: Wake): void {
    this.#inStore.add(key);
    this.#options.sink.store(wake).then(
      () => {
        this.#inStore.delete(key);
        this.#pauseMs = 0;
        // A newer one may have come meanwhile; it waits for its own turn.
        if (this.#wakes.get(key) === wake) this.#wakes.delete(key);
        this.#pump();
      },
      () => {
        this.#inStore.delete(key);
        this.#pause();
      },
    );
  }

  #pause(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, RETRY_MIN_MS), RETRY_MAX_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, this.#pauseMs);
  }

  #dropOldest(): void {
    for (const key of this.#wakes.keys()) {
      if (this.#inStore.has(key)) continue;
      this.#wakes.delete(key);
      this.#options.onDropped();
      return;
    }
  }
}
