import type { Clock } from '@godwit/runtime/clock';
import type { Typing } from './ports.js';

/** One notice of typing in this time, by user and conversation. */
export const TYPING_INTERVAL_MS = 2_000;
const MAX_REMEMBERED = 200_000;

interface Last {
  readonly at: number;
  readonly stopped: boolean;
}

/** Lets one `typing` through in two seconds, and one `stopped` after it. */
export class TypingLimiter {
  readonly #clock: Clock;
  #young = new Map<string, Last>();
  #old = new Map<string, Last>();
  #agedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#agedAt = clock.monotonic();
  }

  allows({ conversationId, userId, stopped }: Typing): boolean {
    const now = this.#clock.monotonic();
    this.#age(now);
    const key = `${conversationId} ${userId}`;
    const last = this.#young.get(key) ?? this.#old.get(key);
    // A stop is let through once, and starts the time anew for nobody: who goes on typing waits the two seconds.
    if (stopped) {
      if (last === undefined || last.stopped) return false;
      this.#young.set(key, { at: last.at, stopped: true });
      return true;
    }
    if (last !== undefined && now - last.at < TYPING_INTERVAL_MS) return false;
    this.#young.set(key, { at: now, stopped: false });
    return true;
  }

  #age(now: number): void {
    if (now - this.#agedAt < 10_000 && this.#young.size < MAX_REMEMBERED) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#agedAt = now;
  }
}
