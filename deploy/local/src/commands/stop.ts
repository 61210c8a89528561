import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess } from '../process/process-identity.js';
import { StackError } from '../stack-error.js';
import { readState } from '../state-file.js';

const PATIENCE_MS = 45_000;

/** Asks the launcher to stop its stack and waits for its end. */
export async function stop(dir: string): Promise<number> {
  const state = readState(dir);
  if (state === undefined) {
    console.log('Not running.');
    return 0;
  }
  const { pid, start } = state.launcher;
  console.log('Stopping ...');
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + PATIENCE_MS;
  while (isSameProcess(pid, start)) {
    if (Date.now() > deadline) {
      throw new StackError(
        `The launcher (pid ${String(pid)}) has not ended after ${String(PATIENCE_MS / 1000)} s: ` +
          `kill -9 ${String(pid)} ends it and everything it started.`,
      );
    }
    await delay(50);
  }
  console.log('Stopped.');
  return 0;
}
