import type { BaseConfig } from './base-config.js';
import { deferred, within } from './deferred.js';
import { Lifecycle } from './lifecycle.js';
import { createLogger } from './logger.js';
import { reportConfigError } from './report-config-error.js';

export interface RunServiceOptions<C extends BaseConfig> {
  readonly name: string;
  /** Reads the environment: `() => loadRouterConfig(process.env)`. */
  readonly load: () => C;
  /** The composition root: starts everything and registers with `life` how it stops. */
  readonly start: (config: C, life: Lifecycle) => Promise<void>;
}

/** A process that has stopped but is held by some handle is given this long. */
const LINGER_MS = 2_000;
/** The log is written by another thread, and pino's flush does not wait for it: last words are given this long. */
const LAST_WORDS_MS = 1_000;
/** A collector that does not answer must not hold a stopping process. */
const LAST_SPANS_MS = 2_000;

/**
 * The life of a service process: configuration, start, SIGTERM or SIGINT (or a fatal error), ordered stop, exit code.
 * Every main.ts is one call of it. An unhandled rejection or exception is fatal: logged, stopped, exit code 1.
 */
export const runService = async <C extends BaseConfig>(options: RunServiceOptions<C>): Promise<void> => {
  const config = loadOrReport(options.load);
  if (config === undefined) return;
  const logger = createLogger({ service: options.name, node: config.node, level: config.logLevel });
  const life = new Lifecycle({ logger });
  const ending = deferred<undefined>();
  const fatal = (error: unknown): void => {
    logger.fatal({ err: error }, 'the service fails and stops');
    process.exitCode = 1;
    ending.resolve(undefined);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stopping');
    ending.resolve(undefined);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGUSR2', () => {
    life.logLevel.toggle();
  });
  void life.failure.then(fatal);

  const startedAt = performance.now();
  const start = async (): Promise<void> => {
    await traceIfAsked(options.name, config, life);
    await options.start(config, life);
    const startMs = Math.round(performance.now() - startedAt);
    logger.info({ startMs, ...config.build, nodejs: process.version }, 'started');
  };
  const starting = start();
  starting.catch((error: unknown) => {
    // A start that a signal interrupted may well end in an error; that is no failure.
    if (life.signal.aborted) return;
    if (reportConfigError(error)) ending.resolve(undefined);
    else fatal(error);
  });
  await ending.promise;
  if (!(await life.stop())) process.exitCode = 1;
  logger.info('stopped');
  leave(life);
};

/** OpenTelemetry is not even loaded where nobody wants traces. */
const traceIfAsked = async (service: string, config: BaseConfig, life: Lifecycle): Promise<void> => {
  const { endpoint, tracesEndpoint, ratio, slowMs } = config.tracing;
  if (endpoint === undefined && tracesEndpoint === undefined) return;
  const { node, namespace, build } = config;
  const { startTracing } = await import('@godwit/tracing/start-tracing');
  const onProblem = (problem: string): void => {
    life.logger.warn({ problem }, 'spans could not be exported');
  };
  const tracing = startTracing({ service, version: build.version, node, namespace, ratio, slowMs, onProblem });
  life.onStop('close', 'traces', () => within(tracing.stop(), LAST_SPANS_MS, () => undefined));
};

const loadOrReport = <C>(load: () => C): C | undefined => {
  try {
    return load();
  } catch (error) {
    if (!reportConfigError(error)) throw error;
    return undefined;
  }
};

// Node ends by itself once nothing is left to wait for. If something is, say what, and don't become a zombie.
const leave = ({ logger }: Lifecycle): void => {
  setTimeout(() => {
    logger.error({ held: process.getActiveResourcesInfo() }, 'still held after stopping, killing this process');
    setTimeout(() => {
      process.kill(process.pid, 'SIGKILL');
    }, LAST_WORDS_MS);
  }, LINGER_MS).unref();
};
