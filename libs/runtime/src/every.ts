import { sleep } from './backoff.js';

export interface EveryOptions {
  /** Pause between the end of one run and the start of the next. */
  readonly intervalMs: number;
  readonly job: () => Promise<void> | void;
  /** Ends it; a run under way is finished. */
  readonly signal: AbortSignal;
  /** A run that failed; the next one comes all the same. */
  readonly onError: (error: unknown) => void;
}

/** Does a job again and again, one run at a time; resolves when the signal has ended it. */
export const every = async ({ intervalMs, job, signal, onError }: EveryOptions): Promise<void> => {
  while (await sleep(intervalMs, signal)) {
    try {
      await job();
    } catch (error) {
      onError(error);
    }
  }
};
