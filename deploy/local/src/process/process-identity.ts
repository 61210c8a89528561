import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When a process started, as an opaque text; `-` where the process is gone or the system does not tell. A pid is used
 * again sooner or later, a pid with its start time is not: compare both before ending a process known from a file.
 */
export function processStart(pid: number): string {
  if (process.platform !== 'linux') return startFromPs(pid);
  try {
    const { state, start } = statOf(pid);
    // A zombie is a process whose end nobody has asked about yet.
    return state === 'Z' || state === 'X' ? '-' : start;
  } catch {
    return '-';
  }
}

interface ProcessStat {
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly start: string;
}

/** Linux only. The command stands in parentheses and may hold anything, parentheses too; see proc(5). */
export function statOf(pid: number): ProcessStat {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return {
    command: stat.slice(stat.indexOf('(') + 1, end),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    start: fields[19] ?? '-',
  };
}

function startFromPs(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .replaceAll(' ', '_');
  } catch {
    return '-';
  }
}

export function isSameProcess(pid: number, start: string): boolean {
  return start !== '-' && processStart(pid) === start;
}

/** Signals a process group, or only says whether there was one. A process that is gone already is no error. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
