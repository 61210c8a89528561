import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Workspace packages offer their TypeScript under the condition `source`: tests need no build before.
// As Node resolves packages: without `module`, which only bundlers know.
const conditions = ['source', 'node', 'development|production'];
// A condition is waited for as long as a loaded machine may need; it is met at once elsewhere.
const expect = { poll: { timeout: 10_000 } };
const resolve = { conditions };
const ssr = { resolve: { conditions, externalConditions: ['source', 'node'] } };

const testOf = ['{libs,services}/*/test/**', 'analytics/test/**', 'deploy/*/test/**', 'tests/*/test/**'];
const unit = testOf.map((folder) => `${folder}/*.test.ts`);
const integration = testOf.map((folder) => `${folder}/*.int.test.ts`);
const fleet = ['tests/fleet/**/*.test.ts', 'tests/faults/test/**/*.fleet.test.ts'];

export default defineConfig({
  test: {
    // Two files at a time on two cores: most of them wait for servers. Vitest would leave one core to itself.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          expect,
          // Where CI is set, terminals are thought to have colours.
          env: { NO_COLOR: '1' },
          include: unit,
          exclude: [...integration, ...fleet, '**/node_modules/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'int',
          expect,
          include: integration,
          exclude: ['**/node_modules/**'],
          globalSetup: ['libs/testkit/src/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'fleet',
          include: fleet,
          exclude: ['**/node_modules/**'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // A whole fleet needs the machine for itself.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
