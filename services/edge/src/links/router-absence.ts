export interface RouterAbsenceOptions {
  /** Whoever is connected may have missed something. */
  readonly suspect: () => void;
}

/** A router whose stream is back by then has delivered again what broke with it. */
const SHORT_MS = 3_000;
const FIRST_CHECK_MS = 5_000;
const MAX_CHECK_MS = 60_000;

interface Absence {
  readonly since: number;
  timer: NodeJS.Timeout;
}

/**
 * Watches routers that can't reach this edge. What a router that is dead had to deliver, others do; but one that only
 * this edge has lost gives up on the edge's sockets after a while. So they are synced again: while it is away, more and
 * more rarely, and when it is back.
 */
export class RouterAbsence {
  readonly #options: RouterAbsenceOptions;
  readonly #absent = new Map<string, Absence>();

  constructor(options: RouterAbsenceOptions) {
    this.#options = options;
  }

  onDown(node: string): void {
    if (this.#absent.has(node)) return;
    this.#absent.set(node, { since: performance.now(), timer: this.#check(node, FIRST_CHECK_MS) });
  }

  onUp(node: string): void {
    const absence = this.#absent.get(node);
    if (absence === undefined) return;
    clearTimeout(absence.timer);
    this.#absent.delete(node);
    if (performance.now() - absence.since > SHORT_MS) this.#options.suspect();
  }

  close(): void {
    for (const { timer } of this.#absent.values()) clearTimeout(timer);
    this.#absent.clear();
  }

  #check(node: string, delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      const absence = this.#absent.get(node);
      if (absence === undefined) return;
      this.#options.suspect();
      absence.timer = this.#check(node, Math.min(delayMs * 2, MAX_CHECK_MS));
    }, delayMs);
  }
}
