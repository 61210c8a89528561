import { fileURLToPath } from 'node:url';
import { rolldown, type RolldownBuild } from 'rolldown';

const ENTRY = 'core';
/** What an app in a browser or in React Native imports. */
const CORE = ['client', 'web-socket', 'codec', 'storage', 'tokens', 'calls', 'message', 'errors', 'indexeddb-storage'];
const source = (name: string): string => fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url));

/** The core of the SDK in one script that sets the global `godwit`, and what it was made of. */
export async function bundleCore(): Promise<{ code: string; modules: string[]; imports: string[] }> {
  const build: RolldownBuild = await rolldown({
    input: ENTRY,
    platform: 'neutral',
    resolve: { conditionNames: ['source', 'import', 'browser', 'default'], mainFields: ['module', 'main'] },
    plugins: [
      {
        name: 'core',
        resolveId: (id) => (id === ENTRY ? id : null),
        load: (id) =>
          id === ENTRY ? CORE.map((name) => `export * from ${JSON.stringify(source(name))};`).join('\n') : null,
      },
    ],
    // Anything that is not found, a Node module too, stays an import: the test looks at those.
    external: (id) => id.startsWith('node:'),
  });
  try {
    const { output } = await build.generate({ format: 'iife', name: 'godwit' });
    const [chunk] = output;
    return { code: chunk.code, modules: chunk.moduleIds, imports: [...chunk.imports, ...chunk.dynamicImports] };
  } finally {
    await build.close();
  }
}
