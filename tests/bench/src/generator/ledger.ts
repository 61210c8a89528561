import { encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import { latencyHistogram } from '../latency.js';
import { nowUs, type Stamp } from './stamp.js';

/** One measurement of one generator process. Its first messages are the warm-up and don't count. */
export interface Run {
  readonly run: number;
  /** Monotonic µs, the same for all generators: when the first message is due. */
  readonly startUs: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Remember, for each message, how many have it and when the last of them got it. */
  readonly perMessage: number;
}

/** What one generator process has counted. Only what was received is counted, and each only once. */
export interface Counts {
  /** Messages that were due in the measured time and were sent. */
  readonly offered: number;
  /** Of them: acked, refused. */
  readonly acked: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Refusals that did not say when to try again. */
  readonly refusedForGood: number;
  /** Acks that came within the measured time, whatever they were for: the goodput. */
  readonly ackedInTime: number;
  readonly delivered: number;
  readonly deliveredInTime: number;
  /** Frames that repeated what had been delivered. */
  readonly repeated: number;
  readonly ack: string;
  readonly delivery: string;
  /** For each counted message: how many have it, and when (µs after it was due) the last of them got it. */
  readonly reached: readonly (readonly [count: number, lastUs: number])[];
  /** For each message that this process has sent: µs until its ack; see `REFUSED` and `UNANSWERED`. */
  readonly answers: readonly number[];
}

/** Stand in `answers` for what is no time. Sent by another process: 0. */
export const REFUSED = -1;
export const UNANSWERED = -2;

/** Counts what happens to the messages of one run. */
export class Ledger {
  readonly #run: Run;
  readonly #fromUs: number;
  readonly #toUs: number;
  readonly #ack: Histogram = latencyHistogram();
  readonly #delivery: Histogram = latencyHistogram();
  readonly #refused = new Map<string, number>();
  readonly #counts: Uint32Array;
  readonly #last: Float64Array;
  readonly #answers: Float64Array;
  #offered = 0;
  #acked = 0;
  #ackedInTime = 0;
  #delivered = 0;
  #deliveredInTime = 0;
  #repeated = 0;
  #refusedTotal = 0;
  #refusedForGood = 0;

  constructor(run: Run) {
    this.#run = run;
    this.#fromUs = run.startUs + run.warmupSeconds * 1e6;
    this.#toUs = this.#fromUs + run.seconds * 1e6;
    this.#counts = new Uint32Array(run.perMessage);
    this.#last = new Float64Array(run.perMessage);
    this.#answers = new Float64Array(run.perMessage);
  }

  get id(): number {
    return this.#run.run;
  }

  /** Offered messages that have neither an ack nor a refusal. */
  get open(): number {
    return this.#offered - this.#acked - this.#refusedTotal;
  }

  get delivered(): number {
    return this.#delivered;
  }

  #counted(dueUs: number): boolean {
    return dueUs >= this.#fromUs && dueUs < this.#toUs;
  }

  offered(index: number, dueUs: number): void {
    this.#answer(index, UNANSWERED);
    if (this.#counted(dueUs)) this.#offered += 1;
  }

  acked(index: number, dueUs: number): void {
    const now = nowUs();
    this.#answer(index, Math.max(1, now - dueUs));
    if (now >= this.#fromUs && now < this.#toUs) this.#ackedInTime += 1;
    if (!this.#counted(dueUs)) return;
    this.#acked += 1;
    this.#ack.recordValue(Math.max(1, Math.round(now - dueUs)));
  }

  refused({ index, dueUs }: Pick<Stamp, 'index' | 'dueUs'>, reason: string, retryAfterMs: number): void {
    this.#answer(index, REFUSED);
    if (!this.#counted(dueUs)) return;
    this.#refusedTotal += 1;
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
    if (retryAfterMs === 0) this.#refusedForGood += 1;
  }

  arrived(index: number, dueUs: number): void {
    const now = nowUs();
    if (now >= this.#fromUs && now < this.#toUs) this.#deliveredInTime += 1;
    if (!this.#counted(dueUs)) return;
    this.#delivered += 1;
    const tookUs = Math.max(1, Math.round(now - dueUs));
    this.#delivery.recordValue(tookUs);
    if (index >= this.#counts.length) return;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#last[index] = Math.max(this.#last[index] ?? 0, tookUs);
  }

  #answer(index: number, answer: number): void {
    if (index < this.#answers.length) this.#answers[index] = answer;
  }

  repeated(): void {
    this.#repeated += 1;
  }

  counts(): Counts {
    const reached: [number, number][] = [];
    this.#counts.forEach((count, index) => reached.push([count, this.#last[index] ?? 0]));
    return {
      offered: this.#offered,
      acked: this.#acked,
      refused: Object.fromEntries(this.#refused),
      refusedForGood: this.#refusedForGood,
      ackedInTime: this.#ackedInTime,
      delivered: this.#delivered,
      deliveredInTime: this.#deliveredInTime,
      repeated: this.#repeated,
      ack: encodeIntoCompressedBase64(this.#ack),
      delivery: encodeIntoCompressedBase64(this.#delivery),
      reached,
      answers: [...this.#answers],
    };
  }
}
