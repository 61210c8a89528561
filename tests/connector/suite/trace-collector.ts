import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { plainEnvironment } from '@godwit/local-stack/servers/server';
import { waitFor } from '@godwit/testkit/wait-for';
import { runProgram, type Ran } from '@godwit/testkit/run-program';

/** What run.sh has built; undefined where it can't be had (it says why). */
export const OTELCOL = process.env['GODWIT_OTELCOL_BIN'];
const FILE = path.join('observability', 'otel-collector.yaml');

/** What a collector itself says about the configuration. */
export const validate = (env: Readonly<Record<string, string>>): Promise<Ran> =>
  runProgram(OTELCOL ?? 'otelcol', ['validate', '--config', FILE], {
    cwd: PROJECT_ROOT,
    timeoutMs: 60_000,
    env: { ...plainEnvironment(), ...env },
  });

export interface CollectorOptions {
  /** The port it listens on for spans. */
  readonly port: number;
  /** Where it sends what it keeps. */
  readonly backend: string;
  /** Over the file, as `processors::batch::timeout: 1s`. */
  readonly changes?: readonly string[];
}

interface Place {
  readonly dir: string;
  readonly watchdog: Watchdog;
}

let place: Promise<Place> | undefined;

/** One for all test files, which share this module (`isolate: false`); it goes with the process. */
const makePlace = async (): Promise<Place> => {
  const watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-connector-'));
  watchdog.removeAtEnd(dir);
  return { dir, watchdog };
};

/** A collector with observability/otel-collector.yaml, as docs/traces.md starts it. */
export class Collector {
  readonly #process: ManagedProcess;
  readonly #metrics: string;

  private constructor(managed: ManagedProcess, metrics: string) {
    this.#process = managed;
    this.#metrics = metrics;
  }

  static async start({ port, backend, changes = [] }: CollectorOptions): Promise<Collector> {
    const { dir, watchdog } = await (place ??= makePlace());
    const metricsPort = String(await freePort());
    const managed = new ManagedProcess(
      {
        name: 'otelcol',
        command: OTELCOL ?? 'otelcol',
        args: ['--config', FILE, ...changes.flatMap((change) => ['--config', `yaml:${change}`])],
        env: {
          ...plainEnvironment(),
          GODWIT_COLLECTOR_LISTEN: `${LOOPBACK}:${String(port)}`,
          GODWIT_COLLECTOR_METRICS_HOST: LOOPBACK,
          GODWIT_COLLECTOR_METRICS_PORT: metricsPort,
          GODWIT_TRACES_BACKEND: backend,
        },
        cwd: PROJECT_ROOT,
        logFile: path.join(dir, `otelcol-${metricsPort}.log`),
      },
      watchdog,
    );
    const collector = new Collector(managed, `http://${LOOPBACK}:${metricsPort}/metrics`);
    await managed.start();
    const check = async () =>
      (await collector.log()).includes('Everything is ready') ? undefined : 'it has not said so';
    await waitUntilReady(managed, { timeoutMs: 30_000, check });
    return collector;
  }

  log(): Promise<string> {
    return readFile(this.#process.spec.logFile, 'utf8');
  }

  /** A metric of its own, summed over its labels, or of those with one as `sampled="true"`. */
  async metric(name: string, label = ''): Promise<number> {
    const lines = (await (await fetch(this.#metrics)).text()).split('\n');
    const isOfIt = (line: string): boolean => line.startsWith(`${name}{`) || line.startsWith(`${name} `);
    const samples = lines.filter((line) => isOfIt(line) && line.includes(label));
    return samples.reduce((sum, sample) => sum + Number(sample.slice(sample.lastIndexOf(' '))), 0);
  }

  /** Waits until a metric is so much or more. */
  async counted(name: string, atLeast: number): Promise<void> {
    await waitFor(async () => (await this.metric(name)) >= atLeast, {
      what: `${name} to be ${String(atLeast)}`,
      timeoutMs: 30_000,
    });
  }

  /** In order: it decides on all it has, and sends it. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
