import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

/** Files for Node alone; everything else is the core, for browsers and React Native too. */
const FOR_NODE = ['file-storage.ts', 'node-socket.ts'];
const SOURCES = new URL('../src/', import.meta.url);

async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(new URL(file, SOURCES), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => specifier);
}

describe('the core of the SDK', () => {
  it('imports only itself, the generated messages, protobuf, two small libraries, and the types of spans', async () => {
    const core = (await readdir(SOURCES)).filter((file) => file.endsWith('.ts') && !FOR_NODE.includes(file));
    expect(core.length).toBeGreaterThan(20);
    const allowed =
      /^(\.\/[a-z-]+\.js|@bufbuild\/protobuf(\/.*)?|@godwit\/proto\/gen\/client\/.*|@godwit\/tracing\/spans|eventemitter3|idb)$/;
    const foreign: string[] = [];
    for (const file of core) {
      for (const specifier of await importsOf(file)) {
        const forNode = FOR_NODE.includes(specifier.replace('./', '').replace('.js', '.ts'));
        if (forNode || !allowed.test(specifier)) foreign.push(`${file}: ${specifier}`);
      }
    }
    expect(foreign).toEqual([]);
  });

  it('the scan sees what it looks for', async () => {
    expect(await importsOf('node-socket.ts')).toContain('ws');
    expect(await importsOf('file-storage.ts')).toContain('node:fs/promises');
  });
});
