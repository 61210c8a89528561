import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

type Falsy = false | 0 | '' | null | undefined;

/**
 * Asks until the condition gives something truthy, and gives that back. One that throws counts as not yet; when time is
 * up, its last error is the cause of the one thrown.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5000, intervalMs = 20, what = condition.toString() }: WaitOptions = {},
): Promise<Exclude<T, Falsy>> {
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (isTruthy(value)) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`Waited ${String(timeoutMs)} ms in vain for: ${what}`, { cause });
    await delay(intervalMs);
  }
}

function isTruthy<T>(value: T): value is Exclude<T, Falsy> {
  return Boolean(value);
}
