import { writeFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@godwit/local-stack/ports';
import { ManagedProcess } from '@godwit/local-stack/process/managed-process';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { acquireServer } from '@godwit/local-stack/servers/acquire-server';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { waitFor } from '@godwit/testkit/wait-for';
import { expect, it } from 'vitest';
import { connectBus, type Bus } from '../src/bus.js';

it('users of NATS are rotated while the bus is in use', async () => {
  const watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-nats-'));
  watchdog.removeAtEnd(dir);
  const port = await freePort();
  const config = path.join(dir, 'nats.conf');
  const allow = (...users: string[]): Promise<void> =>
    writeFile(config, `listen: 127.0.0.1:${String(port)}\nauthorization { users: [ ${users.join(', ')} ] }\n`);
  const [old, next] = ['{user: old, password: "one@"}', '{user: next, password: two}'] as const;
  await allow(old, next);
  const { binary } = await acquireServer('nats-server', {});
  const spec = {
    name: 'nats',
    command: binary,
    args: ['-c', config],
    env: {},
    cwd: dir,
    logFile: path.join(dir, 'log'),
  };
  const nats = new ManagedProcess(spec, watchdog);
  const open: Bus[] = [];
  const as = (user: string): Bus => {
    const bus = connectBus({
      url: `nats://${user}@127.0.0.1:${String(port)}`,
      namespace: 'godwit',
      name: 'test-0',
      logger: silentLogger,
      metrics: createMetrics({ service: 'test', node: 'test-0', processMetrics: false }),
    });
    open.push(bus);
    return bus;
  };
  try {
    await nats.start();
    const [before, after] = [as('old:one%40'), as('next:two')];
    await waitFor(() => before.connected && after.connected);
    await allow(next);
    nats.signal('SIGHUP');
    await waitFor(() => !before.connected);
    expect(after.connected).toBe(true);
    await allow(old, next);
    nats.signal('SIGHUP');
    await waitFor(() => before.connected, { what: 'who was shut out to come back by itself' });
  } finally {
    await Promise.all(open.map((bus) => bus.close()));
    await watchdog.close();
  }
});
