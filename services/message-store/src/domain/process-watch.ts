/** A peer whose row stands still for so long, as this process sees it, is taken for dead. */
export const DEAD_AFTER_MS = 5_000;
/** With a longer gap between two looks nothing is known of the time between: it counts from anew. */
export const MAX_LOOK_GAP_MS = 2_500;

/** A store process as its row shows it. */
export interface ProcessRow {
  readonly incarnation: string;
  readonly node: string;
  /** Raised by the process. */
  readonly beat: number;
  /** Who brings its appends to an end, when it is taken for dead. */
  readonly claimedBy: string | undefined;
  /** Raised by the claimer. */
  readonly claimBeat: number;
}

interface Seen {
  readonly beats: string;
  readonly since: number;
}

/** Tells which rows stand still. Compares no clocks: only what this process has seen, by its own clock. */
export class ProcessWatch {
  readonly #self: string;
  #seen = new Map<string, Seen>();
  #lookedAt = -Infinity;

  constructor(self: string) {
    this.#self = self;
  }

  /** Takes a look (successful reads only) and returns the rows that have stood still too long. */
  look(rows: readonly ProcessRow[], now: number): ProcessRow[] {
    const gap = now - this.#lookedAt > MAX_LOOK_GAP_MS;
    this.#lookedAt = now;
    const seen = new Map<string, Seen>();
    const dead: ProcessRow[] = [];
    for (const row of rows) {
      // What this process claimed it works on; what it forgot of that (an error) stands still like another's.
      if (row.incarnation === this.#self) continue;
      const beats = `${row.beat} ${row.claimedBy ?? ''} ${row.claimBeat}`;
      const before = this.#seen.get(row.incarnation);
      const since = gap || before === undefined || before.beats !== beats ? now : before.since;
      seen.set(row.incarnation, { beats, since });
      if (now - since >= DEAD_AFTER_MS) dead.push(row);
    }
    this.#seen = seen;
    return dead;
  }
}
