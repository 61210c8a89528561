import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@godwit/local-stack/ports';
import { isSameProcess, processStart } from '@godwit/local-stack/process/process-identity';
import { readinessComplaint } from '@godwit/local-stack/service-processes';
import { Stack } from '@godwit/local-stack/stack';
import { DEFAULT_PORTS, portsFrom } from '@godwit/local-stack/topology';
import { testServers } from '@godwit/testkit/test-servers';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { STUB_FLEET } from './support/stub-fleet.js';

const { mongoUrl, natsUrl, redisUrl } = testServers();
const existing = { mongo: mongoUrl, nats: natsUrl, redis: redisUrl };

describe('a stack', () => {
  let dir: string;
  let stack: Stack | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'godwit-stack-'));
  });

  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });

  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  const startStubs = async (options: Partial<Parameters<typeof Stack.start>[0]> = {}): Promise<Stack> => {
    stack = await Stack.start({ dir, ports: 'free', fleet: STUB_FLEET, existing, ...options });
    return stack;
  };

  it('gives each service its environment, and no service the secrets of the shell', async () => {
    process.env['SECRET_OF_THE_SHELL'] = 'x';
    const started = await startStubs({
      namespace: 'ns1',
      env: { GODWIT_LOG_LEVEL: 'warn' },
      envOf: { 'message-store': { EXTRA: 'both' }, 'message-store-1': { EXTRA: 'one' } },
    });
    delete process.env['SECRET_OF_THE_SHELL'];
    const environment = async (name: string): Promise<Record<string, string>> =>
      JSON.parse((await started.logs(name)).split('\n')[0] ?? '') as Record<string, string>;
    const [edge, first, second] = await Promise.all(['edge-0', 'message-store-0', 'message-store-1'].map(environment));
    expect(edge).toMatchObject({
      GODWIT_ENV: 'development',
      GODWIT_NODE: 'edge-0',
      GODWIT_VERSION: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      GODWIT_REVISION: expect.stringMatching(/^([0-9a-f]{40}|unknown)$/) as string,
      GODWIT_NAMESPACE: 'ns1',
      GODWIT_LOG_LEVEL: 'warn',
      GODWIT_MONGO_URL: mongoUrl,
      GODWIT_EDGE_PUBLIC_URLS: started.edges.join(','),
      GODWIT_MESSAGE_STORE_NODES: ['message-store-0', 'message-store-1']
        .map((name) => `${name}=${started.grpcAddress(name)}`)
        .join(','),
    });
    expect(edge).not.toHaveProperty('SECRET_OF_THE_SHELL');
    expect(edge).not.toHaveProperty('GODWIT_SMS_OUTBOX');
    expect(first).toMatchObject({ EXTRA: 'both', GODWIT_SMS_OUTBOX: started.smsOutbox });
    expect(second).toMatchObject({ EXTRA: 'one', GODWIT_FLEET_TOKEN: edge?.['GODWIT_FLEET_TOKEN'] });
  });

  it('starts a supervised process again and says so', async () => {
    const said: string[] = [];
    const started = await startStubs({ supervise: true, report: (line) => said.push(line) });
    const before = started.process('edge-0').pid;
    await started.kill('edge-0');
    await waitFor(() => said.some((line) => line.startsWith('edge-0 is up again')));
    expect(started.process('edge-0').pid).not.toBe(before);
    expect(started.restartsOf('edge-0')).toBe(1);
    expect(said.join('\n')).toContain('edge-0 has ended (SIGKILL)');
  });

  it('waits for what is about to be started again', async () => {
    const started = await startStubs({ supervise: true });
    await started.kill('edge-0');
    await started.waitReady('edge-0');
    expect(started.process('edge-0').running).toBe(true);
  });

  it('has a folder of its own for a while when it is given none', async () => {
    const started = await Stack.start({ ports: 'free', fleet: STUB_FLEET, existing });
    expect(await started.logs('edge-0')).not.toBe('');
    await started.stop();
    await expect(stat(started.dir)).rejects.toThrow('ENOENT');
  });

  it('leaves down what was stopped on purpose, and what nobody supervises', async () => {
    const started = await startStubs({ supervise: true });
    await started.stopProcess('edge-0');
    await started.kill('message-store-0');
    await waitFor(() => started.restartsOf('message-store-0') === 1 && started.process('message-store-0').running);
    expect(started.process('edge-0').running).toBe(false);
    await started.restart('edge-0');
    expect(started.process('edge-0').running).toBe(true);
  });

  it('freezes a process and lets it go on', async () => {
    const started = await startStubs();
    const port = Number(new URL(started.httpUrl('edge-0')).port);
    started.pause('edge-0');
    await expect(readinessComplaint(port)).rejects.toThrow(/timeout/i);
    started.resume('edge-0');
    await started.waitReady('edge-0', 5000);
  });

  it('drains edges before the services behind them, and leaves nothing', async () => {
    const started = await startStubs();
    const ended: string[] = [];
    for (const managed of started.processes) managed.onExit(() => ended.push(managed.name));
    const pids = started.processes.map((managed) => managed.pid ?? 0);
    const born = pids.map(processStart);
    started.pause('message-store-1');
    await started.stop();
    expect(ended[0]).toBe('edge-0');
    expect(ended).toHaveLength(3);
    expect(pids.some((pid, index) => isSameProcess(pid, born[index] ?? '-'))).toBe(false);
    expect(await started.logs('message-store-0')).toContain('draining');
  });

  it('says who sits on a port, and starts nothing then', async () => {
    const plan = { ...DEFAULT_PORTS, ...portsFrom(await freePort()) };
    const squatter = createServer().listen(plan.grpc, '127.0.0.1');
    await expect(startStubs({ ports: plan })).rejects.toThrow(
      new RegExp(`^Port ${String(plan.grpc)} for edge-0 \\(gRPC\\) is in use by .*\\(pid ${String(process.pid)}\\)\\.`),
    );
    squatter.close();
  });

  it('says what is not built', async () => {
    const fleet = [{ service: 'router', replicas: 1, stopTier: 0, main: '/nowhere/main.js' }];
    await expect(startStubs({ fleet })).rejects.toThrow(/^Not built: router\./);
  });

  it('gives a start up when asked to', async () => {
    const giveUp = new AbortController();
    const start = startStubs({ signal: giveUp.signal, onChange: () => giveUp.abort() });
    await expect(start).rejects.toThrow(/abort/);
  });

  it('hands out the newest one-time code of a phone number', async () => {
    const started = await startStubs();
    await writeFile(started.smsOutbox, '2026-01-01T00:00:00Z +15550100001 Your code is 111111\n');
    await writeFile(started.smsOutbox, '2026-01-01T00:00:01Z +15550100001 Your code is 222222\n', { flag: 'a' });
    await writeFile(started.smsOutbox, '{"phone":"+15550100002","code":"333333"}\n', { flag: 'a' });
    expect(await started.smsCode('+15550100001')).toBe('222222');
    expect(await started.smsCode('+15550100002')).toBe('333333');
  });
});

describe('a parent killed with SIGKILL', () => {
  it('leaves neither processes nor folders', async () => {
    const script = new URL('support/dies-with-children.mjs', import.meta.url).pathname;
    const output = await new Promise<string>((resolve) => {
      execFile(process.execPath, [script], (_, stdout) => {
        resolve(stdout);
      });
    });
    const { pid, folder } = JSON.parse(output) as { pid: number; folder: string };
    await waitFor(() => processStart(pid) === '-', { what: 'the child to be gone' });
    await waitFor(() =>
      rm(folder).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
      ),
    );
  });
});
