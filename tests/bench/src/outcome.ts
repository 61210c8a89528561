import type { Measurement } from './measure.js';

/** A figure and what the issue asks of it. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: Goal;
  /** For figures without a goal that can be set beside a peer's. */
  readonly better?: Better;
}

export type Better = 'lower' | 'higher';

export interface Goal {
  readonly atLeast: number;
  readonly aim: number;
  readonly better: Better;
}

/** One row of a table of measurements. */
export interface Row {
  readonly name: string;
  readonly measurement: Measurement;
}

/** What one scenario found out. */
export interface Outcome {
  readonly scenario: string;
  /** What was set up and how it was loaded, in a sentence. */
  readonly setup: string;
  readonly figures: readonly Figure[];
  readonly rows: readonly Row[];
  /** Anything else, for the JSON and `capacity`. */
  readonly data?: unknown;
  /** With its peers. */
  readonly tookSeconds?: number;
  /** What others do of the same, measured in the same run. */
  readonly peers?: readonly PeerOutcome[];
}

export type PeerFound = Pick<Outcome, 'setup' | 'figures' | 'rows' | 'data'> & { readonly peer: string };

/** Or one sentence that says why it could not be measured here. */
export type PeerOutcome = PeerFound | { readonly peer: string; readonly missing: string };

/** Settings of all scenarios, from the command line. */
export interface Settings {
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly repeats: number;
  readonly payloadBytes: number;
  readonly sockets: number;
  /** For `idle`: how long sockets may take to connect; then those that are there count. */
  readonly idleSeconds: number;
  /** For `private`: only this rate, no search. */
  readonly rate: number | undefined;
  /** Part of the clients that the scenarios name; below 1 for a quick look. */
  readonly scale: number;
  /** Replicas of edge, router, message-store and session. */
  readonly replicas: number;
  /** Folder for CPU profiles of the services. */
  readonly profiles: string | undefined;
}

export type Say = (text: string) => void;

export type Verdict = 'aim' | 'at least' | 'missed' | '';

export function verdictOf({ value, goal }: Figure): Verdict {
  if (goal === undefined) return '';
  const reaches = (bound: number): boolean => (goal.better === 'lower' ? value <= bound : value >= bound);
  if (reaches(goal.aim)) return 'aim';
  return reaches(goal.atLeast) ? 'at least' : 'missed';
}

/** How many times as good as the least that is asked: 1 is just enough. */
export function timesTheGoal({ value, goal }: Figure): number | undefined {
  if (goal === undefined || value === 0) return undefined;
  return goal.better === 'lower' ? goal.atLeast / value : value / goal.atLeast;
}
