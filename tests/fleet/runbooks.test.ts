import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@godwit/local-stack/ports';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { smsCode } from '@godwit/local-stack/sms-outbox';
import { PORT_VARIABLES, portsFrom } from '@godwit/local-stack/topology';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// What docs/runbooks says is run: every block marked `sh` of every page that names this test, page by page, on a fleet that
// was started as an operator would, from the project's folder.

const FOLDER = path.join(PROJECT_ROOT, 'docs', 'runbooks');
const GODWIT = path.join(PROJECT_ROOT, 'libs/cli/bin/godwit.mjs');
const LAUNCHER = path.join(PROJECT_ROOT, 'deploy/local/dist/main.js');
const run = promisify(execFile);

interface Page {
  readonly name: string;
  /** All of its blocks: later ones use what earlier ones have set. */
  readonly script: string;
}

const pages: readonly Page[] = readdirSync(FOLDER).flatMap((name) => {
  const text = readFileSync(path.join(FOLDER, name), 'utf8');
  if (name === 'README.md' || !text.includes('tests/fleet/runbooks.test.ts')) return [];
  return [{ name, script: [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block).join('\n') }];
});

let dir: string;
let env: Record<string, string | undefined>;
let hasPrometheus = false;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-runbooks-'));
  const ports = portsFrom(await freePort());
  env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    NO_COLOR: '1',
    GODWIT_CACHE: process.env['GODWIT_CACHE'],
    GODWIT_HOME: path.join(dir, 'profiles'),
    GODWIT_STATE_DIR: path.join(dir, 'stack'),
    PROMETHEUS: `http://127.0.0.1:${String(ports.http + 90)}`,
    HTTP: `http://127.0.0.1:${String(ports.http)}`,
    ...Object.fromEntries(
      (['edge', 'grpc', 'http', 'mongo', 'nats', 'redis'] as const).map((kind) => [
        PORT_VARIABLES[kind],
        String(ports[kind]),
      ]),
    ),
  };
  await run(process.execPath, [LAUNCHER, 'start', '--detach', '--observe'], { env });
  const { stdout } = await run(process.execPath, [LAUNCHER, 'status', '--json'], { env });
  hasPrometheus = stdout.includes('"name":"prometheus"');
  await chat();
});

afterAll(async () => {
  await run(process.execPath, [LAUNCHER, 'stop'], { env });
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

/** Alice and Bob, and a message to trace. */
async function chat(): Promise<void> {
  await register('alice', '+12025550101');
  await register('bob', '+12025550102');
  const sent = await run(process.execPath, [GODWIT, '--profile', 'alice', '--json', 'send', 'bob', 'hello'], { env });
  const { conversationId, seq } = JSON.parse(sent.stdout) as { conversationId: string; seq: number };
  env = { ...env, CONVERSATION: conversationId, SEQ: String(seq) };
}

async function register(name: string, phone: string): Promise<void> {
  const child = spawn(process.execPath, [GODWIT, '--profile', name, 'register', '--phone', phone, '--name', name], {
    env,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  child.stdin.end(`${await smsCode(path.join(dir, 'stack', 'sms.log'), phone, 20_000)}\n`);
  expect(await ended).toEqual([0, null]);
}

async function isReady(): Promise<boolean> {
  return run(process.execPath, [LAUNCHER, 'status'], { env }).then(
    () => true,
    () => false,
  );
}

describe('every command of', () => {
  it.for(pages)('$name runs', async ({ name, script }, { skip }) => {
    if (script.includes('$PROMETHEUS') && !hasPrometheus) return skip('there is no Prometheus here');
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: PROJECT_ROOT, env });
    expect(stdout, name).not.toBe('');
    await waitFor(isReady, { timeoutMs: 30_000, what: `the fleet to be ready after ${name}` });
  });

  it('the pages of alerts, and more', () => {
    expect(pages.length).toBeGreaterThan(8);
    for (const { name, script } of pages) expect(script, name).not.toBe('');
  });
});
