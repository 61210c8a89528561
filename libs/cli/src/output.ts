import type { Writable } from 'node:stream';
import pc from 'picocolors';
import { plain } from './plain.js';
import { displayWidth } from './terminal-text.js';

/** Where a command writes: for people, or a JSON value a line for programs. */
export interface Output {
  readonly json: boolean;
  /** `value` for programs, `text` for people. */
  result(value: unknown, text: string): void;
  /** For people only. */
  note(text: string): void;
}

export function createOutput(json: boolean, stream: Writable): Output {
  return {
    json,
    result: (value, text) => {
      stream.write(`${json ? JSON.stringify(plain(value)) : text}\n`);
    },
    note: (text) => {
      if (!json) stream.write(`${pc.dim(text)}\n`);
    },
  };
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, displayWidth(cell))),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(cell))))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

export function dateTime(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE').slice(0, 'YYYY-MM-DD hh:mm'.length);
}

export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1_000));
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${String(seconds)} s ago`;
  if (seconds < 3_600) return `${String(Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${String(Math.round(seconds / 3_600))} h ago`;
  return dateTime(ms);
}
