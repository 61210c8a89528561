import type { Build } from '@godwit/runtime/base-config';
import type { HealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import type { Metrics } from '@godwit/telemetry/metrics';
import { renderStatus } from './render.js';
import { takeSample, type Sample } from './samples.js';
import { statusOf, type Status } from './status.js';

export interface StatusPageOptions {
  readonly node: string;
  readonly build: Build;
  readonly metrics: Metrics;
  readonly life: Lifecycle;
  readonly readiness: () => true | string;
}

/** Rates are over the last minute, in steps of this. */
const SAMPLE_MS = 10_000;
const SAMPLES = 6;

/** For those who have neither Prometheus nor Grafana: `/status` and `/status.json` on the internal HTTP, never for clients. */
export const addStatusPage = async (health: HealthServer, options: StatusPageOptions): Promise<void> => {
  const { node, build, metrics, life, readiness } = options;
  const samples: Sample[] = [await takeSample(metrics, performance.now())];
  const timer = setInterval(() => {
    takeSample(metrics, performance.now()).then(
      (sample) => {
        samples.push(sample);
        if (samples.length > SAMPLES) samples.shift();
      },
      (error: unknown) => {
        life.logger.error({ err: error }, 'the numbers of the status page could not be read');
      },
    );
  }, SAMPLE_MS);
  life.onStop('unready', 'status page', () => {
    clearInterval(timer);
  });
  const look = async (): Promise<Status> => {
    const newer = await takeSample(metrics, performance.now());
    return statusOf({ node, build, ready: readiness(), older: samples[0] ?? newer, newer });
  };
  health.page('/status', async () => ({ contentType: 'text/html; charset=utf-8', body: renderStatus(await look()) }));
  health.page('/status.json', async () => ({
    contentType: 'application/json',
    body: `${JSON.stringify(await look(), undefined, 2)}\n`,
  }));
};
