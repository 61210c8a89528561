import { setTimeout as delay } from 'node:timers/promises';

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Full jitter: anything between `minMs` and the exponential ceiling of the attempt (0 is the first), so that many who
 * lost the same peer don't return together.
 */
export const fullJitter = ({ minMs, maxMs }: Backoff, attempt: number): number => {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt + 1, 30));
  return minMs + Math.random() * Math.max(ceiling - minMs, 0);
};

/** Waits; returns false when the signal ended the wait. */
export const sleep = async (milliseconds: number, signal?: AbortSignal): Promise<boolean> => {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw error;
  }
};

export interface RetryOptions extends Backoff {
  /** Tries in all, the first included. */
  readonly attempts: number;
  readonly signal?: AbortSignal;
  /** Whether this error is worth another try (default: any is). */
  readonly retryable?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number) => void;
}

/** Tries until it works, the attempts are used up, the error isn't worth it, or the signal aborts; throws the last error. */
export const retry = async <T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const last = attempt + 1 >= options.attempts || options.retryable?.(error) === false;
      if (last) throw error;
      options.onRetry?.(error, attempt);
      if (!(await sleep(fullJitter(options, attempt), options.signal))) throw error;
    }
  }
};
