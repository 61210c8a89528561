import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileStorage } from '../src/file-storage.js';
import { indexedDbStorage } from '../src/indexeddb-storage.js';
import { memoryStorage, type Storage } from '../src/storage.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-storage-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const kinds: Record<string, () => Promise<Storage>> = {
  memory: () => Promise.resolve(memoryStorage()),
  file: () => fileStorage(join(folder, 'device/state')),
  IndexedDB: () => indexedDbStorage(folder),
};

describe.each(Object.entries(kinds))('%s storage', (_name, open) => {
  it('keeps, replaces and forgets entries, and finds them by prefix', async () => {
    const storage = await open();
    await storage.set('a/1', bytes('one'));
    await storage.set('a/2', bytes('two'));
    await storage.set('b/1', bytes('other'));
    await storage.set('a/1', bytes('uno'));
    await storage.delete('a/2');
    const found = await storage.entries('a/');
    expect(found.map(([key, value]) => [key, new TextDecoder().decode(value)])).toEqual([['a/1', 'uno']]);
  });
});

describe('file storage', () => {
  it('is there again after a restart, and drops a line that a crash has cut', async () => {
    const path = join(folder, 'state');
    const first = await fileStorage(path);
    await first.set('k', bytes('v'));
    await first.set('gone', bytes('v'));
    await first.delete('gone');
    await appendFile(path, '{"k":"half","v":"dG');
    const second = await fileStorage(path);
    expect((await second.entries('')).map(([key]) => key)).toEqual(['k']);
    await second.set('next', bytes('v'));
    expect((await (await fileStorage(path)).entries('')).map(([key]) => key)).toEqual(['k', 'next']);
  });

  it('does not grow with the number of changes', async () => {
    const path = join(folder, 'state');
    const storage = await fileStorage(path);
    for (let i = 0; i < 3_000; i += 1) await storage.set('cursor', bytes(String(i)));
    expect((await readFile(path, 'utf8')).split('\n').length).toBeLessThan(1_100);
  });
});
