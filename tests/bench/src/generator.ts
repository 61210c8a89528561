// A generator process: gets one job, connects, measures, tells the result, ends.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connectAll, say } from './generator-process.js';
import type { Job } from './generator-protocol.js';
import { LoadClient } from './load-client.js';
import { runBurst } from './load-burst.js';
import { runPrivate } from './load-private.js';

async function runIdle(job: Extract<Job, { kind: 'idle' }>): Promise<number> {
  const clients = await connectAll(job.devices, (device, i) =>
    LoadClient.connect({ edge: job.edges[i % job.edges.length] ?? '', device, localAddress: job.localAddress }),
  );
  say({ said: 'ready' });
  await once(process, 'message');
  for (const client of clients) client.close();
  return clients.length;
}

async function run(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'private':
      return runPrivate(job);
    case 'burst':
      return runBurst(job);
    case 'idle':
      return runIdle(job);
  }
}

process.once('message', (job: Job) => {
  run(job)
    .then(
      (result) => {
        say({ said: 'result', result });
      },
      (error: unknown) => {
        say({ said: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
        process.exitCode = 1;
      },
    )
    .then(() => delay(100))
    .then(() => {
      process.disconnect();
    })
    .catch((error: unknown) => {
      throw error;
    });
});
