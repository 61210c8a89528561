import type { LogTime } from './lease.js';
import type { MessagePlace } from './message.js';
import type { ProcessRow } from './process-watch.js';

export interface Claim {
  /** The dead process's appends before this are known to be fanned out. */
  readonly confirmedAt: LogTime;
}

/** The rows of the store processes. */
export interface ProcessStore {
  register(process: { incarnation: string; node: string }): Promise<void>;
  /** False when the row was claimed or is gone. */
  beat(incarnation: string, confirmedAt: LogTime): Promise<boolean>;
  rows(): Promise<readonly ProcessRow[]>;
  /** Takes the row if it still is as it was seen. */
  claim(row: ProcessRow, by: string): Promise<Claim | undefined>;
  /** Says that the claimer is at it; false when another has taken over. */
  beatClaim(incarnation: string, by: string): Promise<boolean>;
  remove(incarnation: string): Promise<void>;
}

/** The log of writes itself. */
export interface AppendHistory {
  /**
   * What this process inserted since then, in batches as they are found, until `graceMs` from now.
   * @throws HistoryLost when the log does not reach back so far
   */
  insertsOf(incarnation: string, since: LogTime, until: HistoryEnd): AsyncIterable<readonly MessagePlace[]>;
}

export interface HistoryEnd {
  /** A process that only seemed dead may have sent something that lands a little later. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

export class HistoryLost extends Error {
  override readonly name = 'HistoryLost';
}
