import { appendFile, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Storage } from './storage.js';

interface Line {
  readonly k: string;
  /** Base64; absent: the key was deleted. */
  readonly v?: string;
}

/** Lines in the journal per live entry before it is written anew. */
const COMPACT_FACTOR = 8;
const COMPACT_AT_LEAST = 1_000;

/**
 * A journal in one file, readable by its owner alone: a line a change, written anew when it has grown. A line that was
 * cut by a crash is the last one and is dropped. One process at a time.
 */
export async function fileStorage(path: string): Promise<Storage> {
  await mkdir(dirname(path), { recursive: true });
  const map = await load(path);
  let lines = Number.MAX_SAFE_INTEGER;
  let tail: Promise<void> = Promise.resolve();

  const write = (line: Line): Promise<void> => {
    // One after the other, so that the journal's order is the order of the calls.
    const done = tail.then(async () => {
      lines += 1;
      if (lines > Math.max(COMPACT_AT_LEAST, map.size * COMPACT_FACTOR)) {
        await rewrite(path, map);
        lines = map.size;
      } else {
        await appendFile(path, `${JSON.stringify(line)}\n`, { mode: 0o600 });
      }
    });
    tail = done.catch(() => undefined);
    return done;
  };

  return {
    entries: (prefix) => Promise.resolve([...map].filter(([key]) => key.startsWith(prefix))),
    set: (key, value) => {
      map.set(key, value);
      return write({ k: key, v: Buffer.from(value).toString('base64') });
    },
    delete: (key) => (map.delete(key) ? write({ k: key }) : Promise.resolve()),
  };
}

async function load(path: string): Promise<Map<string, Uint8Array>> {
  const map = new Map<string, Uint8Array>();
  const lines = (await readIfThere(path)).split('\n');
  // What follows the last newline was not written whole.
  lines.pop();
  for (const text of lines) {
    const line = JSON.parse(text) as Line;
    if (line.v === undefined) map.delete(line.k);
    else map.set(line.k, new Uint8Array(Buffer.from(line.v, 'base64')));
  }
  return map;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

async function rewrite(path: string, map: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const lines = [...map].map(([k, v]) => `${JSON.stringify({ k, v: Buffer.from(v).toString('base64') })}\n`);
  const next = `${path}.next`;
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(lines.join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}
