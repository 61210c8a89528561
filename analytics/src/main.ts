import { parseArgs } from 'node:util';
import { connectBus } from '@godwit/bus/bus';
import { BusUnavailable } from '@godwit/bus/bus-unavailable';
import { EVENTS } from '@godwit/bus/streams';
import { retry, sleep } from '@godwit/runtime/backoff';
import { createLogger } from '@godwit/runtime/logger';
import { reportConfigError } from '@godwit/runtime/report-config-error';
import { createMetrics } from '@godwit/telemetry/metrics';
import { loadAnalyticsConfig, type AnalyticsConfig } from './config.js';
import { exportFacts } from './export-facts.js';
import { removeAbandoned } from './fact-files.js';

const RETRY = { minMs: 500, maxMs: 2_000 };
/** Who runs it once is told within some 15 s that NATS does not answer. */
const ATTEMPTS = 15;
const NAME = 'analytics';

const abortedBySignal = (): AbortSignal => {
  const abort = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      abort.abort();
    });
  }
  return abort.signal;
};

const run = async (config: AnalyticsConfig, once: boolean): Promise<void> => {
  const { natsUrl: url, namespace, natsStreamReplicas: streamReplicas, dir, key, logLevel: level } = config;
  const logger = createLogger({ service: NAME, node: NAME, level });
  const signal = abortedBySignal();
  const metrics = createMetrics({ service: NAME, node: NAME, processMetrics: false });
  const bus = connectBus({ url, namespace, name: NAME, logger, metrics, streams: [EVENTS], streamReplicas });
  const retries = {
    ...RETRY,
    attempts: once ? ATTEMPTS : Infinity,
    signal,
    retryable: (error: unknown) => error instanceof BusUnavailable,
  };
  const exportAll = async (): Promise<void> => {
    let complete = false;
    while (!complete && !signal.aborted) {
      complete = await retry(() => exportFacts({ bus, dir, key, logger }), retries);
    }
  };
  try {
    await removeAbandoned(dir);
    do await exportAll();
    while (!once && (await sleep(config.intervalMs, signal)));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await bus.close();
  }
};

try {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
  await run(loadAnalyticsConfig(process.env), values.once);
} catch (error) {
  if (!reportConfigError(error)) {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  }
}
