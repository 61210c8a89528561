import { isPortFree } from '../ports.js';
import { isSameProcess } from '../process/process-identity.js';
import { messageOf } from '../process/managed-process.js';
import { readinessComplaint } from '../service-processes.js';
import { type ProcessState, readState, type StackState } from '../state-file.js';

export interface StatusRow {
  readonly name: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  readonly uptimeSeconds: number | undefined;
  readonly restarts: number;
  /** `ready`, `up` (a server that accepts connections), `down`, or why it is not ready. */
  readonly health: string;
}

/** Exit code 0 when everything is up, 1 when something is not, 3 when nothing runs (as LSB has it for services). */
export async function status(dir: string, options: { readonly json: boolean }): Promise<number> {
  const state = readState(dir);
  if (state === undefined) {
    console.log(options.json ? JSON.stringify({ status: 'stopped' }) : 'Not running. Start it with npm start.');
    return 3;
  }
  const rows = await statusRows(state);
  if (options.json) console.log(JSON.stringify({ status: state.status, edges: state.edges, processes: rows }));
  else console.log(`${headlineOf(state)}\n${tableOf(rows)}`);
  return state.status === 'running' && rows.every((row) => row.health === 'ready' || row.health === 'up') ? 0 : 1;
}

export function headlineOf(state: StackState): string {
  const pid = String(state.launcher.pid);
  return `The stack is ${state.status} since ${durationOf((Date.now() - state.startedAt) / 1000)} (launcher pid ${pid}).`;
}

export function statusRows(state: StackState): Promise<StatusRow[]> {
  return Promise.all(
    state.processes.map(async (one) => ({
      name: one.name,
      pid: one.pid,
      port: one.port,
      uptimeSeconds: one.startedAt === undefined ? undefined : Math.round((Date.now() - one.startedAt) / 1000),
      restarts: one.restarts,
      health: await healthOf(one),
    })),
  );
}

async function healthOf(one: ProcessState): Promise<string> {
  if (one.pid === undefined || one.start === undefined || !isSameProcess(one.pid, one.start)) return 'down';
  if (one.httpPort !== undefined) {
    const complaint = await readinessComplaint(one.httpPort).catch((error: unknown) => messageOf(error));
    return complaint === undefined ? 'ready' : `not ready: ${complaint}`;
  }
  return one.port !== undefined && (await isPortFree(one.port)) ? 'not listening' : 'up';
}

export function tableOf(rows: readonly StatusRow[]): string {
  const lines = [
    ['PROCESS', 'PID', 'PORT', 'UPTIME', 'RESTARTS', 'HEALTH'],
    ...rows.map((row) => [
      row.name,
      shown(row.pid),
      shown(row.port),
      row.uptimeSeconds === undefined ? '-' : durationOf(row.uptimeSeconds),
      String(row.restarts),
      row.health.replaceAll(/\s+/g, ' '),
    ]),
  ];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function shown(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

export function durationOf(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
  return `${String(Math.floor(whole / 3600))} h ${String(Math.floor((whole % 3600) / 60))} min`;
}
