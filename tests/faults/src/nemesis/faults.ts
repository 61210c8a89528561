import type { Crew } from '../clients/crew.js';
import type { World } from '../world/world.js';
import { clientFaults } from './client-faults.js';
import { networkFaults } from './network-faults.js';
import { processFaults } from './process-faults.js';
import { rollouts } from './rollouts.js';
import { serverFaults } from './server-faults.js';

/** What the nemesis has at hand. */
export interface Stage {
  readonly world: World;
  readonly crew: Crew;
}

export interface Performance {
  readonly target: string;
  readonly draw: number;
  readonly holdMs: number;
  /** Waits as long as the fault is to last. */
  readonly hold: () => Promise<void>;
}

export interface Fault {
  /** Whom it hits; throws a sentence where it can't be done here. */
  target(stage: Stage, draw: number): string | Promise<string>;
  /** Does it, holds it, takes it back, and waits until what was hit answers again. */
  perform(stage: Stage, performance: Performance): Promise<void>;
}

const FAULTS: ReadonlyMap<string, Fault> = new Map([
  ...processFaults(),
  ...networkFaults(),
  ...serverFaults(),
  ...clientFaults(),
  ...rollouts(),
]);

export function faultFor(kind: string): Fault {
  const fault = FAULTS.get(kind);
  if (fault === undefined) throw new RangeError(`no fault ${kind}`);
  return fault;
}

/** The one of a list that the plan has drawn. */
export function drawn<T>(list: readonly T[], draw: number): T {
  const found = list[draw % list.length];
  if (found === undefined) throw new Error('there is nobody to hit');
  return found;
}
