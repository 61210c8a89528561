import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lastWords } from './last-words.js';
import { StackError } from '../stack-error.js';
import { signalGroup } from './process-identity.js';
import type { Watchdog } from './watchdog.js';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment; nothing is inherited beside it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Its stdout and stderr are appended here. */
  readonly logFile: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether `stop` or `kill` brought it about, rather than the process itself or somebody else. */
  readonly wanted: boolean;
}

const DEFAULT_GRACE_MS = 10_000;

/** One program which can be started, ended, frozen and started again, under the eye of a watchdog. */
export class ManagedProcess {
  #spec: ProcessSpec;
  readonly #watchdog: Watchdog;
  readonly #events = new EventEmitter<{ exit: [Exit] }>();
  #child: ChildProcess | undefined;
  #startedAt: number | undefined;
  #wanted = false;

  constructor(spec: ProcessSpec, watchdog: Watchdog) {
    this.#spec = spec;
    this.#watchdog = watchdog;
  }

  get spec(): ProcessSpec {
    return this.#spec;
  }

  /** From its next start on it is another program under its name. */
  become(program: Pick<ProcessSpec, 'args' | 'env'>): void {
    this.#spec = { ...this.#spec, ...program };
  }

  get name(): string {
    return this.spec.name;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Milliseconds since the epoch. */
  get startedAt(): number | undefined {
    return this.running ? this.#startedAt : undefined;
  }

  /** False once `stop` or `kill` was called, until the next `start`. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Resolves at the next end. */
  async untilExit(): Promise<Exit> {
    const [exit] = (await once(this.#events, 'exit')) as [Exit];
    return exit;
  }

  onExit(listener: (exit: Exit) => void): void {
    this.#events.on('exit', listener);
  }

  async start(): Promise<void> {
    if (this.running) return;
    this.#watchdog.assertOpen();
    mkdirSync(path.dirname(this.spec.logFile), { recursive: true });
    mkdirSync(this.spec.cwd, { recursive: true });
    if (this.#child === undefined) keepEarlierLog(this.spec.logFile);
    const log = openSync(this.spec.logFile, 'a');
    const child = spawn(this.spec.command, this.spec.args, {
      cwd: this.spec.cwd,
      env: { ...this.spec.env },
      stdio: ['ignore', log, log],
      // A process group of its own: Ctrl-C reaches the launcher only, which then ends all in the right order.
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#wanted = true;
    if (child.pid !== undefined) this.#watchdog.add(child.pid);
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) this.#watchdog.forget(child.pid);
      this.#events.emit('exit', { code, signal, wanted: !this.#wanted });
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw new StackError(`${this.name} could not be started from ${this.spec.command}: ${messageOf(error)}.`);
    }
    this.#startedAt = Date.now();
  }

  /** SIGTERM, and SIGKILL for one that is not gone after the grace period. */
  async stop(graceMs = DEFAULT_GRACE_MS): Promise<void> {
    await this.#end('SIGTERM', graceMs);
  }

  /** SIGKILL: nothing is flushed, as in a crash. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', DEFAULT_GRACE_MS);
  }

  /** Any signal, as somebody from outside would send it: what follows counts as unwanted. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.pid;
    if (pid === undefined) throw new StackError(`${this.name} is not running, so it can't get ${signal}.`);
    signalGroup(pid, signal);
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async #end(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    const pid = this.pid;
    if (child === undefined || pid === undefined) return;
    const exited = once(child, 'exit');
    signalGroup(pid, signal);
    // A frozen process keeps every signal but SIGKILL until it goes on.
    signalGroup(pid, 'SIGCONT');
    const patience = new AbortController();
    const late = delay(graceMs, true, { signal: patience.signal }).catch(() => false);
    const isLate = await Promise.race([exited.then(() => false), late]);
    if (isLate) signalGroup(pid, 'SIGKILL');
    await exited;
    patience.abort();
  }

  /** The end of the log, for an error message. */
  logTail(): string {
    try {
      return lastWords(readFileSync(this.spec.logFile, 'utf8'));
    } catch {
      return '(no log)';
    }
  }
}

/** The log of the time before stays for one more start. */
function keepEarlierLog(logFile: string): void {
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
}

export interface ReadinessWait {
  readonly timeoutMs: number;
  /** Gives a reason while it is not ready. */
  readonly check: () => Promise<string | undefined>;
  /** Somebody starts it again when it ends, so that its end is no reason to give up. */
  readonly comesBack?: boolean;
}

/** Waits until `check` has nothing to complain about; fails at once when the process ends before, for good. */
export async function waitUntilReady(managed: ManagedProcess, wait: ReadinessWait): Promise<void> {
  const deadline = Date.now() + wait.timeoutMs;
  let reason: string | undefined = 'not asked yet';
  while (reason !== undefined) {
    if (!managed.running && wait.comesBack !== true) {
      throw new StackError(`${managed.name} ended while it was starting. Its last words:\n${managed.logTail()}`);
    }
    if (Date.now() > deadline) {
      const seconds = String(Math.round(wait.timeoutMs / 1000));
      throw new StackError(
        `${managed.name} was not ready after ${seconds} s (${reason}). See ${managed.spec.logFile}:\n${managed.logTail()}`,
      );
    }
    reason = await wait.check().catch((error: unknown) => messageOf(error));
    if (reason !== undefined) await delay(50);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
