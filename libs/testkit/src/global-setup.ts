import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { existingServersFrom } from '@godwit/local-stack/servers/existing-servers';
import { startServers } from '@godwit/local-stack/servers/start-servers';
import type { TestProject } from 'vitest/node';

/** Vitest's global setup of the project `int`: one MongoDB, NATS and Redis for all test files of a run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-int-'));
  watchdog.removeAtEnd(dir);
  try {
    const { urls } = await startServers({
      dir,
      ports: { mongo: [await freePort()], nats: [await freePort()], redis: await freePorts(3) },
      watchdog,
      existing: existingServersFrom(process.env),
      report: console.log,
    });
    project.provide('godwitServers', { mongoUrl: urls.mongo, natsUrl: urls.nats, redisUrl: urls.redis });
  } catch (error) {
    await watchdog.close();
    throw error;
  }
  return () => watchdog.close();
}
