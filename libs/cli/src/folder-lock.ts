import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Longer than what is done under a lock may take: two edges that do not answer, 10 s each. */
const STALE_MS = 30_000;
const POLL_MS = 20;

/** Does `work` while no other process does it; `lock` is a folder that exists meanwhile. */
export async function locked<T>(lock: string, work: () => Promise<T>): Promise<T> {
  while (!(await made(lock))) {
    await removeIfStale(lock);
    await delay(POLL_MS * (1 + Math.random()));
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** A process that died in there must not lock the others out for good. */
async function removeIfStale(lock: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(lock);
    if (Date.now() - mtimeMs < STALE_MS) return;
    // Renamed first: of several that wait, one removes it, and none removes the next one's lock.
    const trash = `${lock}.${String(process.pid)}.stale`;
    await rename(lock, trash);
    await rm(trash, { recursive: true, force: true });
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
