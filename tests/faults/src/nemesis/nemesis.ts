import { setTimeout as delay } from 'node:timers/promises';
import type { Recorder } from '../clients/recorder.js';
import type { FaultRecord } from '../history.js';
import { FAULT_KINDS } from '../plan/fault-kinds.js';
import type { PlannedFault } from '../plan/plan.js';
import { faultFor, type Stage } from './faults.js';

/** One thing after another, with quiet in between. */
export class Nemesis {
  readonly records: FaultRecord[] = [];
  readonly #stage: Stage;
  readonly #recorder: Recorder;
  readonly #report: (line: string) => void;

  constructor(stage: Stage, recorder: Recorder, report: (line: string) => void) {
    this.#stage = stage;
    this.#recorder = recorder;
    this.#report = report;
  }

  /** Until the signal ends it; what is under way is taken back first. */
  async run(faults: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    for (const planned of faults) {
      await delay(planned.quietMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#perform(planned, signal);
    }
  }

  async #perform({ kind, holdMs, draw }: PlannedFault, signal: AbortSignal): Promise<void> {
    const strict = FAULT_KINDS.find(({ name }) => name === kind)?.strict ?? false;
    const fault = faultFor(kind);
    const target = await this.#tryTo(() => fault.target(this.#stage, draw));
    if (target instanceof Error) {
      this.#report(`${kind}: not done, ${target.message}`);
      return;
    }
    const from = this.#recorder.now();
    this.#report(`${String(Math.round(from / 1000)).padStart(5)} s  ${kind} ${target}`);
    const hold = async (): Promise<void> => {
      await delay(holdMs, undefined, { signal }).catch(() => undefined);
    };
    const failure = await this.#tryTo(() => fault.perform(this.#stage, { target, draw, holdMs, hold }));
    const to = this.#recorder.now();
    this.records.push({
      kind,
      target,
      from,
      to,
      strict,
      ...(failure instanceof Error ? { failure: failure.message } : {}),
    });
    if (failure instanceof Error) this.#report(`${kind} ${target}: ${failure.message}`);
  }

  async #tryTo<T>(act: () => T | Promise<T>): Promise<T | Error> {
    try {
      return await act();
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
