// What a measured message says in its first bytes: enough to tell, wherever it arrives, what it belongs to and how long
// it took. All processes of a machine share the monotonic clock.

export interface Stamp {
  /** Which measurement, so that stragglers of the one before don't count. */
  readonly run: number;
  readonly index: number;
  /** When it was due, not when the generator got round to it; monotonic µs. */
  readonly dueUs: number;
}

const RUN_DIGITS = 4;
const INDEX_DIGITS = 8;
const DUE_DIGITS = 16;
export const STAMP_BYTES = RUN_DIGITS + INDEX_DIGITS + DUE_DIGITS;

export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** Text of `bytes` characters (at least a stamp's) to be stamped in place. */
export function blankText(bytes: number): string {
  return '0'.repeat(STAMP_BYTES) + 'x'.repeat(Math.max(0, bytes - STAMP_BYTES));
}

export function writeStamp(buffer: Buffer, at: number, { run, index, dueUs }: Stamp): void {
  writeDigits(buffer, { at, digits: RUN_DIGITS, value: run });
  writeDigits(buffer, { at: at + RUN_DIGITS, digits: INDEX_DIGITS, value: index });
  writeDigits(buffer, { at: at + RUN_DIGITS + INDEX_DIGITS, digits: DUE_DIGITS, value: Math.floor(dueUs) });
}

export const runAt = (buffer: Buffer, at: number): number => readDigits(buffer, at, RUN_DIGITS);
export const indexAt = (buffer: Buffer, at: number): number => readDigits(buffer, at + RUN_DIGITS, INDEX_DIGITS);
export const dueAt = (buffer: Buffer, at: number): number =>
  readDigits(buffer, at + RUN_DIGITS + INDEX_DIGITS, DUE_DIGITS);

export interface Digits {
  readonly at: number;
  readonly digits: number;
  readonly value: number;
}

export function writeDigits(buffer: Buffer, { at, digits, value }: Digits): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    buffer[i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function readDigits(buffer: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i += 1) value = value * 10 + ((buffer[i] ?? 48) - 48);
  return value;
}
