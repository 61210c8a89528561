/** The time, as a port: domain rules take a clock, tests give them one that stands still. */
export interface Clock {
  /** Milliseconds since 1970. May jump; never subtract two of them to measure. */
  now(): number;
  /** Milliseconds since some moment, with fractions; never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** A clock that moves only when told to, for tests. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 0;

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Time passes. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    this.#monotonic += milliseconds;
  }

  /** The wall clock jumps (either way); the monotonic one doesn't. */
  jump(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
