import type { Outcome, Settings } from './outcome.js';

/** What a run of the bench leaves behind as JSON. */
export interface Results {
  readonly machine: string;
  readonly at: string;
  readonly settings: Settings;
  /** Limits that were raised, as environment of the edges. */
  readonly raised: Readonly<Record<string, string>>;
  readonly outcomes: readonly Outcome[];
}
