import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { PROJECT_ROOT } from '../src/project-root.js';
import { acquirePrometheus } from '../src/servers/acquire-prometheus.js';
import { RULES_FOLDER } from '../src/servers/start-prometheus.js';
import { StackError } from '../src/stack-error.js';

const run = promisify(execFile);

it('has fresh rules and dashboards', async () => {
  await run(process.execPath, [path.join(PROJECT_ROOT, 'observability/generate.mjs'), '--check']);
});

it('has a page of docs/runbooks and a test for every alert, and no page that names one that is gone', () => {
  const alerts = readFileSync(path.join(RULES_FOLDER, 'alerts.yml'), 'utf8');
  const tests = readFileSync(path.join(RULES_FOLDER, 'tests.yml'), 'utf8');
  const known = [...alerts.matchAll(/alert: '?(\w+)[\s\S]*?runbook: '?([\w/.-]+\.md)/g)].map(([, name, page]) => ({
    name: name ?? '',
    page: page ?? '',
  }));
  expect(known.length).toBe(alerts.match(/alert:/g)?.length);
  for (const { name, page } of known) {
    expect(tests, `a test that sees ${name} fire`).toContain(`alertname="${name}"`);
    expect(existsSync(path.join(PROJECT_ROOT, page)), page).toBe(true);
    expect(readFileSync(path.join(PROJECT_ROOT, page), 'utf8'), page).toContain(`\`${name}\``);
  }
  const names = new Set(known.map(({ name }) => name));
  const folder = path.join(PROJECT_ROOT, 'docs/runbooks');
  for (const page of readdirSync(folder)) {
    const named = readFileSync(path.join(folder, page), 'utf8').matchAll(/`(Godwit[A-Z]\w+)`/g);
    for (const [, name = ''] of named) expect(names, `${page} names ${name}`).toContain(name);
  }
});

it('has rules that do what their tests say', { timeout: 180_000 }, async ({ skip }) => {
  let promtool: string;
  try {
    ({ promtool } = await acquirePrometheus({}));
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.log(`The rules were not tested. ${error.message}`);
    return skip(error.message);
  }
  const tested = await run(promtool, ['test', 'rules', path.join(RULES_FOLDER, 'tests.yml')]);
  expect(tested.stdout).toContain('SUCCESS');
});
