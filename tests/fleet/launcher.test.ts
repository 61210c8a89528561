import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, isPortFree } from '@godwit/local-stack/ports';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../deploy/local/dist/main.js', import.meta.url));

interface StatusAnswer {
  readonly status: string;
  readonly processes?: readonly {
    readonly name: string;
    readonly pid: number;
    readonly port: number;
    readonly restarts: number;
    readonly health: string;
  }[];
}

describe('the launcher', () => {
  let dir: string;
  let base: number;
  let launcher: ChildProcess | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'godwit-launcher-'));
    base = await freePort();
  });

  afterEach(async () => {
    if (launcher?.exitCode === null && launcher.signalCode === null) {
      const gone = once(launcher, 'exit');
      launcher.kill('SIGKILL');
      await gone;
    }
    await waitFor(async () => (await isPortFree(base + 10)) && (await isPortFree(base)), { timeoutMs: 10_000 });
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const run = (...args: string[]): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      const child = execFile(process.execPath, [MAIN, ...args, '--state-dir', dir], (_, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
      });
    });

  const status = async (): Promise<StatusAnswer> => JSON.parse((await run('status', '--json')).output) as StatusAnswer;

  /** In the foreground, as Ctrl-C finds it. */
  const startInForeground = async (): Promise<() => string> => {
    const child = spawn(process.execPath, [MAIN, 'start', '--port-base', String(base), '--state-dir', dir]);
    launcher = child;
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
    await waitFor(() => said.includes('Godwit is running'), { timeoutMs: 60_000, what: 'the fleet to run' });
    return () => said;
  };

  it('starts all, starts again what dies, and leaves nothing after SIGINT', async () => {
    const said = await startInForeground();
    const before = await status();
    expect(before.processes).toHaveLength(17);
    expect(before.processes?.every((one) => one.health === 'ready' || one.health === 'up')).toBe(true);

    const client: unknown = JSON.parse(await readFile(path.join(dir, 'client.json'), 'utf8'));
    expect(client).toMatchObject({ edges: [`ws://127.0.0.1:${String(base)}`, `ws://127.0.0.1:${String(base + 1)}`] });

    const again = await run('start', '--port-base', String(base));
    expect(again).toMatchObject({ code: 0, output: expect.stringContaining('Already running') as string });

    const killed = before.processes?.find((one) => one.name === 'router-1');
    process.kill(killed?.pid ?? 0, 'SIGKILL');
    await waitFor(() => said().includes('router-1 is up again'), { timeoutMs: 30_000 });
    expect((await status()).processes).toContainEqual(
      expect.objectContaining({ name: 'router-1', restarts: 1, health: 'ready' }),
    );

    launcher?.kill('SIGINT');
    await waitFor(() => launcher?.exitCode === 0, { timeoutMs: 40_000, what: 'the launcher to end' });
    expect(await listening(before)).toEqual([]);
    expect(await run('status')).toMatchObject({ code: 3 });
  });

  it('takes all with it when it is killed with SIGKILL', async () => {
    await startInForeground();
    const before = await status();
    launcher?.kill('SIGKILL');
    await waitFor(async () => (await listening(before)).length === 0, { timeoutMs: 10_000, what: 'all to be gone' });
    expect(await run('status')).toMatchObject({ code: 3 });
  });

  it('runs in the background, on the data of the time before, until it is stopped', async () => {
    const started = await run('start', '--detach', '--port-base', String(base));
    expect(started.code).toBe(0);
    const before = await status();
    const secrets = await readFile(path.join(dir, 'secrets.json'), 'utf8');
    expect((await run('stop')).code).toBe(0);
    expect(await listening(before)).toEqual([]);
    expect((await run('start', '--detach', '--port-base', String(base))).code).toBe(0);
    expect(await readFile(path.join(dir, 'secrets.json'), 'utf8')).toBe(secrets);
    expect((await run('stop')).code).toBe(0);
    expect((await run('stop')).output).toContain('Not running');
  });
});

async function listening({ processes = [] }: StatusAnswer): Promise<string[]> {
  const taken = await Promise.all(processes.map(async ({ name, port }) => ((await isPortFree(port)) ? '' : name)));
  return taken.filter((name) => name !== '');
}
