import { deferred, within } from './deferred.js';
import { LogLevel } from './log-level.js';
import type { Logger } from './logger.js';

/** In this order: take it off the load balancer, refuse new work, finish the old, close the stores. */
export const STOP_PHASES = ['unready', 'stop-accepting', 'drain', 'close'] as const;
export type StopPhase = (typeof STOP_PHASES)[number];

interface StopStep {
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

export interface LifecycleOptions {
  readonly logger: Logger;
  /** Time for all of the stopping together (default 25 s: Kubernetes kills after 30). */
  readonly deadlineMs?: number;
}

/** The life of one service: what started it registers here how it stops. */
export class Lifecycle {
  readonly logger: Logger;
  readonly logLevel: LogLevel;
  readonly #deadlineMs: number;
  readonly #steps = new Map<StopPhase, StopStep[]>();
  readonly #abort = new AbortController();
  readonly #failed = deferred<unknown>();
  readonly #late: Promise<boolean>[] = [];
  #stopping: Promise<boolean> | undefined;

  constructor({ logger, deadlineMs = 25_000 }: LifecycleOptions) {
    this.logger = logger;
    this.logLevel = new LogLevel(logger);
    this.#deadlineMs = deadlineMs;
  }

  /** Aborted as soon as stopping begins: loops end, retries give up. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves with the error that was given to `fail`. */
  get failure(): Promise<unknown> {
    return this.#failed.promise;
  }

  /**
   * Registers a step of stopping. Within a phase the last registered runs first. A step that comes when stopping has begun
   * (the start was interrupted) runs at once.
   */
  onStop(phase: StopPhase, name: string, run: () => Promise<void> | void): void {
    if (this.#stopping !== undefined) {
      this.#late.push(this.#runStep(phase, { name, run }, this.#deadlineMs));
      return;
    }
    const steps = this.#steps.get(phase);
    if (steps === undefined) this.#steps.set(phase, [{ name, run }]);
    else steps.unshift({ name, run });
  }

  /** The process can't go on (its claim was taken, its state is unknown): it stops and exits non-zero. */
  fail(error: unknown): void {
    this.#failed.resolve(error);
  }

  /** Runs all steps; one that fails is logged and the next follows. True when all went well in time. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#runSteps();
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #runSteps(): Promise<boolean> {
    const deadline = performance.now() + this.#deadlineMs;
    this.#abort.abort(new Error('the service is stopping'));
    let clean = true;
    for (const phase of STOP_PHASES) {
      for (const step of this.#steps.get(phase) ?? []) {
        const done = await this.#runStep(phase, step, Math.max(deadline - performance.now(), 0));
        clean = clean && done;
      }
    }
    return clean && (await Promise.all(this.#late)).every((done) => done);
  }

  async #runStep(phase: StopPhase, step: StopStep, milliseconds: number): Promise<boolean> {
    const problem = await runWithin(step, milliseconds);
    if (problem !== undefined) this.logger.error({ err: problem, phase, step: step.name }, 'a step of stopping failed');
    return problem === undefined;
  }
}

/** The error of the step, or undefined; a step that takes too long is left behind with an error. */
const runWithin = async ({ name, run }: StopStep, milliseconds: number): Promise<unknown> => {
  const running = (async () => {
    try {
      await run();
      return undefined;
    } catch (error) {
      return error ?? new Error(`"${name}" failed`);
    }
  })();
  return within(running, milliseconds, () => new Error(`"${name}" was not done in time`));
};
