import { defineConfig } from 'vitest/config';

// As in the project's own vitest.config.ts: workspace packages are their sources.
const conditions = ['source', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['source', 'node'] } },
  test: {
    include: ['tests/connector/suite/*.test.ts'],
    // One worker with one set of servers for all files.
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
