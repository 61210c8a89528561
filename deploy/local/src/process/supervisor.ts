import { setTimeout as delay } from 'node:timers/promises';
import type { Report } from '../servers/acquire-server.js';
import { type Exit, type ManagedProcess, messageOf } from './managed-process.js';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A process that lived as long as this has earned a quick restart again. */
const STEADY_AFTER_MS = 30_000;

export interface Supervised {
  readonly managed: ManagedProcess;
  readonly ready: () => Promise<void>;
}

export interface SupervisorOptions {
  readonly report: Report;
  /** Called after every end and every start. */
  readonly onChange: () => void;
}

/** Starts again what ends unasked, with growing pauses, and says so. What was stopped on purpose stays stopped. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #restarts = new Map<string, number>();
  readonly #pauses = new Map<string, number>();
  readonly #ended = new AbortController();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  watch(supervised: Supervised): void {
    const { managed } = supervised;
    let startedAt = Date.now();
    managed.onExit((exit) => {
      if (exit.wanted || this.#ended.signal.aborted) return;
      if (Date.now() - startedAt > STEADY_AFTER_MS) this.#pauses.delete(managed.name);
      this.#options.onChange();
      this.#startAgain(supervised, exit).then(
        () => {
          startedAt = Date.now();
        },
        (error: unknown) => {
          // One that has ended once more was reported by the listener above.
          const known = this.#ended.signal.aborted || !managed.running;
          if (!known) this.#options.report(`${managed.name}: ${messageOf(error)}`);
        },
      );
    });
  }

  restartsOf(name: string): number {
    return this.#restarts.get(name) ?? 0;
  }

  end(): void {
    this.#ended.abort();
  }

  async #startAgain({ managed, ready }: Supervised, exit: Exit): Promise<void> {
    const { signal } = this.#ended;
    const pause = this.#pauses.get(managed.name) ?? FIRST_PAUSE_MS;
    this.#pauses.set(managed.name, Math.min(pause * 2, LONGEST_PAUSE_MS));
    this.#restarts.set(managed.name, this.restartsOf(managed.name) + 1);
    const how = exit.signal ?? `exit code ${String(exit.code)}`;
    this.#options.report(
      `${managed.name} has ended (${how}), starting it again in ${String(pause / 1000)} s. See ${managed.spec.logFile}`,
    );
    await delay(pause, undefined, { signal });
    if (!managed.wanted) return;
    await managed.start();
    this.#options.onChange();
    const since = Date.now();
    await ready();
    this.#options.onChange();
    this.#options.report(`${managed.name} is up again after ${((Date.now() - since) / 1000).toFixed(1)} s.`);
  }
}
