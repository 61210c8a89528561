import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// Signals and exit codes can only be seen from outside: a small service, as a process of its own, on the built library.
const library = fileURLToPath(new URL('..', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));

const PROBE = `
import { createRequire } from 'node:module';
import { runService } from '@godwit/runtime/run-service';
import { baseSettings } from '@godwit/runtime/base-config';
import { ConfigError, loadConfig } from '@godwit/runtime/config';
const trouble = process.env.PROBE;
await runService({
  name: 'probe',
  load: () => loadConfig(baseSettings({ service: 'probe', grpcPort: 1, httpPort: 2 }), process.env),
  start: async (config, life) => {
    const alive = setInterval(() => {}, 1000);
    if (trouble !== 'held') life.onStop('close', 'timer', () => clearInterval(alive));
    for (const phase of ['close', 'drain', 'unready']) life.onStop(phase, phase, () => console.log('step ' + phase));
    if (trouble === 'url') throw new ConfigError([{ variable: 'X_URL', message: 'is no URL' }]);
    if (trouble === 'start') throw new Error('the start failed');
    if (trouble === 'rejection') setTimeout(() => void Promise.reject(new Error('nobody cares')), 10);
    if (trouble === 'exception') setTimeout(() => { throw new Error('nobody caught'); }, 10);
    if (trouble === 'fail') setTimeout(() => life.fail(new Error('claimed by another')), 10);
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log('OpenTelemetry ' + (loaded.some((file) => file.includes('@opentelemetry')) ? 'is' : 'is not') + ' loaded');
    console.log('is up');
    if (trouble === 'slow') await new Promise(() => {});
  },
});
`;

let folder = '';
beforeAll(async () => {
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-b', library]);
  // Inside the package, so that its name and its dependencies resolve.
  folder = await mkdtemp(join(library, 'dist', 'probe-'));
  await writeFile(join(folder, 'probe.mjs'), PROBE);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly killedBy: string | null;
  readonly output: string;
}

const run = async (env: Record<string, string>, signal?: NodeJS.Signals): Promise<Outcome> => {
  const child = spawn(process.execPath, [join(folder, 'probe.mjs')], { env: { PATH: process.env['PATH'], ...env } });
  let output = '';
  let signalled = false;
  const onOutput = (chunk: Buffer): void => {
    output += chunk.toString();
    if (signal === undefined || signalled || !output.includes('is up\n')) return;
    signalled = true;
    child.kill(signal);
  };
  child.stdout.on('data', onOutput);
  child.stderr.on('data', onOutput);
  const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null];
  return { code, killedBy, output };
};

const IN_ORDER = /step unready[^]*step drain[^]*step close[^]*"msg":"stopped"/;

describe('runService', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops in order and exits with 0 on %s', async (signal) => {
    const { code, output } = await run({}, signal);
    expect(output).toMatch(IN_ORDER);
    expect(code).toBe(0);
  });

  it('says which build has started', async () => {
    const { output } = await run({ GODWIT_VERSION: '1.2.3', GODWIT_REVISION: 'abc' }, 'SIGTERM');
    expect(output).toMatch(/"version":"1.2.3","revision":"abc".*"msg":"started"/);
  });

  it('stops when its start has not finished yet', async () => {
    const { code, output } = await run({ PROBE: 'slow' }, 'SIGTERM');
    expect(output).toMatch(IN_ORDER);
    expect(code).toBe(0);
  });

  it.each([
    ['start', 'the start failed'],
    ['rejection', 'nobody cares'],
    ['exception', 'nobody caught'],
    ['fail', 'claimed by another'],
  ])('logs, stops in order and exits with 1 on trouble: %s', async (trouble, message) => {
    const { code, output } = await run({ PROBE: trouble });
    expect(output).toContain(`"level":"fatal"`);
    expect(output).toContain(message);
    expect(output).toMatch(IN_ORDER);
    expect(code).toBe(1);
  });

  it('says all that is wrong with its configuration and exits with 78', async () => {
    const { code, output } = await run({ GODWIT_ENV: 'production', GODWIT_GRPC_LISTEN: 'nowhere' });
    expect(output).toContain('GODWIT_GRPC_LISTEN must be host:port');
    expect(output).toContain('GODWIT_FLEET_TOKEN is required in production');
    expect(output).not.toContain('    at ');
    expect(code).toBe(78);
  });

  it('says what only the start can find wrong in it, stops in order and exits with 78', async () => {
    const { code, output } = await run({ PROBE: 'url' });
    expect(output).toContain("The configuration can't be used:\n  X_URL is no URL");
    expect(output).toMatch(IN_ORDER);
    expect(output).not.toContain('    at ');
    expect(code).toBe(78);
  });

  it('loads OpenTelemetry only where traces go somewhere, and stops though nobody takes them', async () => {
    expect((await run({}, 'SIGTERM')).output).toContain('OpenTelemetry is not loaded');
    const nobody = 'http://127.0.0.1:1';
    for (const variable of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
      const { code, output } = await run({ [variable]: nobody }, 'SIGTERM');
      expect(output).toContain('OpenTelemetry is loaded');
      expect(output).toMatch(IN_ORDER);
      expect(code).toBe(0);
    }
    const wrong = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector', GODWIT_TRACE_RATIO: '1%' });
    expect(wrong.output).toContain('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL');
    expect(wrong.output).toContain('GODWIT_TRACE_RATIO must be a decimal from 0 to 1');
  });

  it('does not live on when something holds it', async () => {
    const { killedBy, output } = await run({ PROBE: 'held' }, 'SIGTERM');
    expect(output).toMatch(/"held":\[.*"Timeout".*still held/);
    expect(killedBy).toBe('SIGKILL');
  });
});
