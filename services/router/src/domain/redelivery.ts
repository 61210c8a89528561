import type { Clock } from '@godwit/runtime/clock';
import type { Target } from './edges.js';
import type { Session } from './ports.js';
import type { Sessions } from './sessions.js';

/** What has to be tried again: a device that was not there, or a user whose sessions could not be looked up. */
export interface Retry {
  readonly userId: string;
  /** Undefined: no session of the user is known yet. */
  readonly target: Target | undefined;
  /** How often it was tried. */
  readonly attempt: number;
  /** Monotonic: from then on the user counts as offline. */
  readonly endsAt: number;
  /** What the sessions are now; undefined: still not known. */
  readonly found: (sessions: readonly Session[] | undefined) => void;
}

export interface RedeliveryOptions {
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly onRetried: (count: number) => void;
}

interface Waiting {
  readonly retry: Retry;
  readonly dueAt: number;
}

/** Before each attempt. The session service hears of a lost socket a moment later than the router. */
const DELAYS_MS = [50, 150, 300, 500, 1_000, 1_500];
const SWEEP_MS = 25;

/** Looks sessions up again, all that are due in one question. */
export class Redelivery {
  readonly #options: RedeliveryOptions;
  #waiting: Waiting[] = [];
  #sweeper: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RedeliveryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#sweeper);
    this.#waiting = [];
  }

  schedule(retry: Retry): void {
    const delay = DELAYS_MS[Math.min(retry.attempt, DELAYS_MS.length - 1)] ?? 0;
    this.#waiting.push({ retry, dueAt: this.#options.clock.monotonic() + delay });
    this.#arm();
  }

  #arm(): void {
    if (this.#stopped || this.#waiting.length === 0) return;
    this.#sweeper ??= setTimeout(() => {
      this.#sweeper = undefined;
      this.sweep();
      this.#arm();
    }, SWEEP_MS);
  }

  sweep(): void {
    if (this.#waiting.length === 0) return;
    const now = this.#options.clock.monotonic();
    const due: Retry[] = [];
    const later: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (waiting.dueAt <= now) due.push(waiting.retry);
      else later.push(waiting);
    }
    this.#waiting = later;
    if (due.length > 0) void this.#lookUp(due);
  }

  async #lookUp(due: readonly Retry[]): Promise<void> {
    this.#options.onRetried(due.length);
    const users = [...new Set(due.map(({ userId }) => userId))];
    const found = await this.#options.sessions.find(users);
    for (const retry of due) retry.found(found.get(retry.userId));
  }
}
