import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);

describe('docs/clients.md', () => {
  it('shows the examples as they are type-checked', async () => {
    const text = await readFile(new URL('docs/clients.md', root), 'utf8');
    const shown = [...text.matchAll(/<!-- from (\S+) -->\n\n```ts\n(.*?)```/gs)];
    expect(shown.map(([, file]) => file)).toHaveLength(3);
    for (const [, file = '', code] of shown) expect(code, file).toBe(await readFile(new URL(file, root), 'utf8'));
  });

  it('names every event', async () => {
    const text = await readFile(new URL('docs/clients.md', root), 'utf8');
    const options = await readFile(new URL('libs/client/src/client-options.ts', root), 'utf8');
    const events = [...options.slice(options.indexOf('ClientEvents')).matchAll(/^ {2}(\w+): /gm)].map(
      ([, name]) => name,
    );
    expect(events.length).toBeGreaterThan(8);
    expect(events.filter((event) => !text.includes(`| \`${String(event)}\``))).toEqual([]);
  });
});
