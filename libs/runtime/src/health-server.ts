import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { processReady } from '@godwit/telemetry/catalogue';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { HostPort } from './config.js';
import { within } from './deferred.js';
import type { Lifecycle } from './lifecycle.js';

export interface HealthServerOptions {
  readonly listen: HostPort;
  readonly metrics: Metrics;
  readonly life: Lifecycle;
}

/** True, or why not. Must not wait long; it is asked every few seconds. */
export type ReadinessCheck = () => Promise<true | string> | true | string;

export interface HealthServer {
  /** The port it listens on (of use where 0 was configured). */
  readonly port: number;
  /** Adds something that must be so for this replica to get work. */
  check(name: string, check: ReadinessCheck): void;
  /** The composition root has finished; until then the replica isn't ready. */
  started(): void;
}

const CHECK_MS = 1_000;

const runCheck = async (check: ReadinessCheck): Promise<true | string> => {
  const checking = (async () => {
    try {
      return await check();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  })();
  return within(checking, CHECK_MS, () => 'no answer in time');
};

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
};

/**
 * The plain HTTP server for the platform: `/healthz` (the event loop turns), `/readyz` (all checks pass and it isn't
 * stopping), `/metrics` (Prometheus). Listens on a port that isn't exposed to clients.
 */
export const startHealthServer = async ({ listen, metrics, life }: HealthServerOptions): Promise<HealthServer> => {
  const checks = new Map<string, ReadinessCheck>();
  let started = false;
  metrics.observe(processReady, () => (started && !life.signal.aborted ? 1 : 0));
  const readiness = async (response: ServerResponse): Promise<void> => {
    const results = await Promise.all([...checks].map(async ([name, check]) => [name, await runCheck(check)] as const));
    const problems = Object.fromEntries(results.filter(([, result]) => result !== true));
    const state = life.signal.aborted ? 'stopping' : started ? 'started' : 'starting';
    const ready = state === 'started' && Object.keys(problems).length === 0;
    answer(response, ready ? 200 : 503, { ready, state, problems });
  };
  const route = async (path: string, response: ServerResponse): Promise<void> => {
    if (path === '/healthz') answer(response, 200, { healthy: true });
    else if (path === '/readyz') await readiness(response);
    else if (path === '/metrics') {
      response.writeHead(200, { 'content-type': metrics.registry.contentType });
      response.end(await metrics.registry.metrics());
    } else answer(response, 404, { error: 'there are /healthz, /readyz and /metrics' });
  };
  const server = createServer((request, response) => {
    route((request.url ?? '').replace(/\?.*$/, ''), response).catch((error: unknown) => {
      life.logger.error({ err: error }, 'the health server failed to answer');
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  // Last of all: the platform may look at a process that takes its time to drain.
  life.onStop('close', 'health server', () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    check: (name, check) => checks.set(name, check),
    started: () => {
      started = true;
    },
  };
};
