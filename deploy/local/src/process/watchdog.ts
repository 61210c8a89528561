import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { StackError } from '../stack-error.js';
import { processStart } from './process-identity.js';

const SCRIPT = fileURLToPath(new URL('../../watchdog.mjs', import.meta.url));

/** Sees to it that no process and no folder outlives this one, even when this one is killed with SIGKILL. */
export class Watchdog {
  readonly #child: ChildProcess;
  readonly #commands: Writable;
  #closed = false;

  private constructor(child: ChildProcess, commands: Writable) {
    this.#child = child;
    this.#commands = commands;
  }

  static start(): Watchdog {
    const child = spawn(process.execPath, [SCRIPT], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    // Neither the process nor its pipe keeps us alive: the end of this process is what it waits for.
    child.unref();
    const commands = child.stdin;
    if (commands instanceof Socket) commands.unref();
    commands.on('error', (error) => {
      console.error(`The watchdog has gone (${error.message}); processes may be left behind if this one is killed.`);
    });
    return new Watchdog(child, commands);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Nothing may be started after the end: nobody would end it. */
  assertOpen(): void {
    if (this.#closed) throw new StackError('The stack is being stopped; nothing more is started.');
  }

  add(pid: number): void {
    this.#commands.write(`add ${String(pid)} ${process.platform === 'linux' ? processStart(pid) : '-'}\n`);
  }

  forget(pid: number): void {
    if (this.#closed) return;
    this.#commands.write(`forget ${String(pid)}\n`);
  }

  removeAtEnd(folder: string): void {
    this.#commands.write(`remove-at-end ${folder}\n`);
  }

  /** Ends what is still running, removes the folders, and resolves when both is done. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.ref();
    const exited = once(this.#child, 'exit');
    this.#commands.end();
    await exited;
  }
}
