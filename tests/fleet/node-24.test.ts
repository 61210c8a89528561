import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { StackError } from '@godwit/local-stack/stack-error';
import { expect, it } from 'vitest';
import { acquireNode24 } from './acquire-node-24.js';

// Images have Node 24, machines of people often an older one, and uWebSockets.js is a different binary for each. The
// edge's tests are run here on the Node of the images, whatever runs this.

const TIMEOUT_MS = 600_000;

interface Results {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

it("the edge's tests pass on the Node of the images", { timeout: TIMEOUT_MS }, async ({ skip, signal }) => {
  let node: string;
  try {
    node = await acquireNode24();
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.log(`The edge was not tested on Node 24. ${error.message}`);
    return skip(error.message);
  }
  const { numPassedTests, testResults } = await testsOn('services/edge', { node, signal });
  const failed = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const tests = assertionResults.filter((one) => one.status === 'failed').map(({ fullName }) => fullName);
    return tests.length > 0 || status !== 'failed' ? tests : [`${name}: ${message}`];
  });
  expect(failed).toEqual([]);
  expect(numPassedTests).toBeGreaterThan(100);
});

async function testsOn(
  folder: string,
  { node, signal }: { readonly node: string; readonly signal: AbortSignal },
): Promise<Results> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'godwit-node-24-'));
  try {
    const report = path.join(scratch, 'results.json');
    const vitest = path.join(PROJECT_ROOT, 'node_modules/vitest/vitest.mjs');
    const args = ['run', '--project', 'unit', '--project', 'int', '--reporter=json', `--outputFile=${report}`, folder];
    // Not what this vitest has set for its own workers.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|NODE_OPTIONS$)/.test(name)),
    );
    const child = spawn(node, [vitest, ...args], {
      cwd: PROJECT_ROOT,
      env,
      signal,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await once(child, 'exit');
    return JSON.parse(await readFile(report, 'utf8')) as Results;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
