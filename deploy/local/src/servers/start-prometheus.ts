import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { assertPortFree, LOOPBACK } from '../ports.js';
import { ManagedProcess, waitUntilReady } from '../process/managed-process.js';
import type { Watchdog } from '../process/watchdog.js';
import { PROJECT_ROOT } from '../project-root.js';
import type { Acquisition } from './acquire-server.js';
import { acquirePrometheus } from './acquire-prometheus.js';
import { plainEnvironment, type Server, serverOf } from './server.js';

export interface PrometheusOptions extends Acquisition {
  /** Configuration, data and log; made if it is not there. */
  readonly dir: string;
  readonly port: number;
  readonly watchdog: Watchdog;
  /** `host:port` of the internal HTTP of every process. */
  readonly targets: readonly string[];
  /** Between two looks at a process (default 5 s). */
  readonly scrapeSeconds?: number;
}

/** The rules that every Prometheus of a fleet should load. */
export const RULES_FOLDER = path.join(PROJECT_ROOT, 'observability', 'rules');

/** A Prometheus that scrapes the fleet and evaluates its rules. It keeps two hours. */
export async function startPrometheus(options: PrometheusOptions): Promise<Server> {
  const { dir, port, watchdog } = options;
  const { prometheus } = await acquirePrometheus(options);
  await assertPortFree({ port, what: 'Prometheus', wayOut: 'Stop it, or set --port-base.' });
  await mkdir(dir, { recursive: true });
  const config = path.join(dir, 'prometheus.json');
  await writeFile(config, JSON.stringify(configuration(options), undefined, 2));
  const url = `http://${LOOPBACK}:${String(port)}`;
  const spec = {
    name: 'prometheus',
    command: prometheus,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(dir, 'data')}`,
      '--storage.tsdb.retention.time=2h',
      '--enable-feature=exemplar-storage',
      `--web.listen-address=${LOOPBACK}:${String(port)}`,
    ],
    env: plainEnvironment(),
    cwd: dir,
    logFile: path.join(dir, 'prometheus.log'),
  };
  const managed = new ManagedProcess(spec, watchdog);
  const check = async (): Promise<string | undefined> => {
    const { ok, status } = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) });
    return ok ? undefined : `it answers ${String(status)}`;
  };
  const ready = (): Promise<void> => waitUntilReady(managed, { timeoutMs: 30_000, check });
  const server = serverOf({ url, processes: [managed], ready });
  await server.start();
  return server;
}

// JSON is YAML.
function configuration({ targets, scrapeSeconds = 5 }: PrometheusOptions): object {
  const interval = `${String(scrapeSeconds)}s`;
  return {
    global: { scrape_interval: interval, evaluation_interval: interval },
    rule_files: [path.join(RULES_FOLDER, 'recording.yml'), path.join(RULES_FOLDER, 'alerts.yml')],
    scrape_configs: [{ job_name: 'godwit', static_configs: [{ targets }] }],
  };
}
