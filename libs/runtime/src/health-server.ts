import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { processBuildInfo, processReady } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { Build } from './base-config.js';
import type { HostPort } from './config.js';
import { within } from './deferred.js';
import type { Lifecycle } from './lifecycle.js';
import { answerLogLevel } from './log-level-endpoint.js';

export interface HealthServerOptions {
  readonly listen: HostPort;
  readonly build: Build;
  readonly metrics: Metrics;
  readonly life: Lifecycle;
}

export interface Page {
  readonly contentType: string;
  readonly body: string;
}

/** True, or why not. Must not wait long; it is asked every few seconds. */
export type ReadinessCheck = () => Promise<true | string> | true | string;

export interface HealthServer {
  /** The port it listens on (of use where 0 was configured). */
  readonly port: number;
  /** Adds something that must be so for this replica to get work. */
  check(name: string, check: ReadinessCheck): void;
  /** Adds something to look at, for people inside: never for clients. */
  page(path: `/${string}`, render: () => Promise<Page>): void;
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
 * The plain HTTP server for the platform: `/healthz` (the event loop turns; which build it is), `/readyz` (all checks
 * pass and it isn't stopping), `/metrics` (Prometheus), `/log-level` (GET, and POST to change it for a while), and what a
 * service adds.
 * Listens on a port that isn't exposed to clients.
 */
export const startHealthServer = async (options: HealthServerOptions): Promise<HealthServer> => {
  const { listen, build, metrics, life } = options;
  const checks = new Map<string, ReadinessCheck>();
  const pages = new Map<string, () => Promise<Page>>();
  let started = false;
  metrics.gauge(processBuildInfo).labels(build).set(1);
  metrics.observe(processReady, () => (started && !life.signal.aborted ? 1 : 0));
  const readiness = async (response: ServerResponse): Promise<void> => {
    const results = await Promise.all([...checks].map(async ([name, check]) => [name, await runCheck(check)] as const));
    const problems = Object.fromEntries(results.filter(([, result]) => result !== true));
    const state = life.signal.aborted ? 'stopping' : started ? 'started' : 'starting';
    const ready = state === 'started' && Object.keys(problems).length === 0;
    answer(response, ready ? 200 : 503, { ready, state, problems });
  };
  const route = async ({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname: path, searchParams } = new URL(url, 'http://internal');
    const page = pages.get(path);
    if (path === '/healthz') answer(response, 200, { healthy: true, ...build });
    else if (path === '/readyz') await readiness(response);
    else if (path === '/metrics') {
      response.writeHead(200, { 'content-type': metrics.registry.contentType });
      response.end(await metrics.registry.metrics());
    } else if (path === '/log-level') {
      const { status, body } = answerLogLevel(life.logLevel, { change: method === 'POST', searchParams });
      answer(response, status, body);
    } else if (page !== undefined) {
      const { contentType, body } = await page();
      response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(body);
    } else {
      const known = ['/healthz', '/readyz', '/metrics', '/log-level', ...pages.keys()];
      answer(response, 404, { error: `there are ${known.join(', ')}` });
    }
  };
  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) => {
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
    page: (path, render) => pages.set(path, render),
    started: () => {
      started = true;
    },
  };
};
