import { readFileSync } from 'node:fs';
import type { Span } from '../history.js';

const TICK_MS = 1_000;
/** More than this part of all cores going to others for a second is noted. */
const FOREIGN_SHARE = 0.25;

interface Sample {
  readonly at: number;
  readonly busy: number;
  readonly total: number;
  readonly ours: ReadonlyMap<number, number>;
}

/**
 * Watches whether the machine is ours. Ten seconds are a promise about a fleet that has its CPUs; where a compiler or
 * somebody's bench takes them, lateness says nothing. Linux only: elsewhere the machine counts as ours.
 */
export class MachineWatch {
  readonly #pids: () => readonly number[];
  readonly #now: () => number;
  readonly #busy: Span[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #last: Sample | undefined;

  constructor(pids: () => readonly number[], now: () => number) {
    this.#pids = pids;
    this.#now = now;
    this.#timer = setInterval(() => {
      this.#tick();
    }, TICK_MS);
  }

  /** Times in which others took a good part of the CPUs, and a little after: what was late then catches up. */
  stop(): Span[] {
    clearInterval(this.#timer);
    return this.#busy;
  }

  #tick(): void {
    const sample = sampleNow(this.#now(), [...this.#pids(), process.pid]);
    const last = this.#last;
    this.#last = sample;
    if (sample === undefined || last === undefined) return;
    const total = sample.total - last.total;
    const foreign = sample.busy - last.busy - oursBetween(last, sample);
    if (total > 0 && foreign / total > FOREIGN_SHARE) this.#note(last.at, sample.at);
  }

  #note(from: number, at: number): void {
    const to = at + TICK_MS;
    const before = this.#busy.at(-1);
    if (before !== undefined && before.to >= from) this.#busy[this.#busy.length - 1] = { from: before.from, to };
    else this.#busy.push({ from, to });
  }
}

/** In clock ticks of the kernel, all of them. */
function sampleNow(at: number, pids: readonly number[]): Sample | undefined {
  const columns = readOrEmpty('/proc/stat').split('\n', 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  if (columns.length < 8) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = columns;
  const busy = user + nice + system + irq + softirq + steal;
  return { at, busy, total: busy + idle + iowait, ours: new Map(pids.map((pid) => [pid, ticksOf(pid)])) };
}

function oursBetween(last: Sample, now: Sample): number {
  let sum = 0;
  for (const [pid, ticks] of now.ours) sum += Math.max(0, ticks - (last.ours.get(pid) ?? 0));
  return sum;
}

function ticksOf(pid: number): number {
  // The name, in parentheses, may hold anything; utime and stime are the 14th and 15th field.
  const after =
    readOrEmpty(`/proc/${String(pid)}/stat`)
      .split(') ')
      .at(-1)
      ?.split(' ') ?? [];
  return Number(after[11] ?? 0) + Number(after[12] ?? 0);
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Another system, or a process that has just ended.
    return '';
  }
}
