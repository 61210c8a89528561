import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LOOPBACK } from './ports.js';
import type { ManagedProcess } from './process/managed-process.js';
import { isSameProcess, processStart } from './process/process-identity.js';
import type { Server } from './servers/server.js';
import type { Stack } from './stack.js';

export interface ProcessState {
  readonly name: string;
  /** Undefined while it is down. */
  readonly pid?: number | undefined;
  /** See `processStart`. */
  readonly start?: string | undefined;
  readonly port?: number | undefined;
  readonly httpPort?: number | undefined;
  readonly startedAt?: number | undefined;
  readonly restarts: number;
  readonly logFile: string;
}

/** What a launcher tells other commands about its stack, in `stack.json` of the state folder. */
export interface StackState {
  readonly status: 'starting' | 'running' | 'stopping';
  readonly launcher: { readonly pid: number; readonly start: string };
  readonly startedAt: number;
  readonly edges: readonly string[];
  readonly urls?: { readonly mongo: string; readonly nats: string; readonly redis: string };
  readonly smsOutbox?: string;
  /** With every scope. */
  readonly adminApiKey?: string;
  /** URL of the Prometheus of `--observe`. */
  readonly prometheus?: string;
  readonly processes: readonly ProcessState[];
}

export function stateFileIn(dir: string): string {
  return path.join(dir, 'stack.json');
}

/** The state of the stack that runs on this folder; undefined when its launcher is gone. */
export function readState(dir: string): StackState | undefined {
  try {
    const state = JSON.parse(readFileSync(stateFileIn(dir), 'utf8')) as StackState;
    return isSameProcess(state.launcher.pid, state.launcher.start) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** What clients on this machine look for: the CLI finds the stack of the folder it is called in by this file. */
function clientFileIn(dir: string): string {
  return path.join(dir, 'client.json');
}

export function writeState(dir: string, state: StackState): void {
  mkdirSync(dir, { recursive: true });
  writeWhole(stateFileIn(dir), state);
  if (state.status !== 'running') return;
  const { edges, adminApiKey: apiKey } = state;
  const routers = state.processes
    .filter(({ name, port }) => name.startsWith('router-') && port !== undefined)
    .map(({ port }) => `${LOOPBACK}:${String(port)}`);
  writeWhole(clientFileIn(dir), { edges, routers, apiKey });
}

/** Readers see the file before or after, never half of it. */
function writeWhole(file: string, content: object): void {
  const scratch = `${file}.${String(process.pid)}`;
  writeFileSync(scratch, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(scratch, file);
}

export function removeState(dir: string): void {
  for (const file of [stateFileIn(dir), clientFileIn(dir)]) rmSync(file, { force: true });
}

export function startingState(): StackState {
  return {
    status: 'starting',
    launcher: { pid: process.pid, start: processStart(process.pid) },
    startedAt: Date.now(),
    edges: [],
    processes: [],
  };
}

export interface StackMoment {
  readonly status: StackState['status'];
  readonly since: StackState;
  /** What was started beside the fleet. */
  readonly prometheus?: Server | undefined;
}

export function stateOf(stack: Stack, { status, since, prometheus }: StackMoment): StackState {
  return {
    ...since,
    status,
    edges: stack.edges,
    urls: stack.servers.urls,
    smsOutbox: stack.smsOutbox,
    adminApiKey: stack.secrets.adminApiKey,
    ...(prometheus === undefined ? {} : { prometheus: prometheus.url }),
    processes: [...stack.processes.map((managed) => ofStack(stack, managed)), ...besideStack(prometheus)],
  };
}

function ofStack(stack: Stack, managed: ManagedProcess): ProcessState {
  const replica = stack.replicas.find((candidate) => candidate.name === managed.name);
  return {
    ...processState(managed),
    port: replica === undefined ? portIn(managed.spec.args) : (replica.publicPort ?? replica.grpcPort),
    httpPort: replica?.httpPort,
    restarts: stack.restartsOf(managed.name),
  };
}

function besideStack(server: Server | undefined): ProcessState[] {
  if (server === undefined) return [];
  const port = Number(new URL(server.url).port);
  return server.processes.map((managed) => ({ ...processState(managed), port, restarts: 0 }));
}

function processState({ name, pid, startedAt, spec }: ManagedProcess): Omit<ProcessState, 'port' | 'restarts'> {
  return { name, pid, start: pid === undefined ? undefined : processStart(pid), startedAt, logFile: spec.logFile };
}

function portIn(args: readonly string[]): number | undefined {
  const port = Number(args[args.indexOf('--port') + 1]);
  return Number.isInteger(port) ? port : undefined;
}
