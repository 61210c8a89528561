import path from 'node:path';
import { LOOPBACK } from '../ports.js';
import { Watchdog } from '../process/watchdog.js';
import type { Report } from '../servers/acquire-server.js';
import type { Server } from '../servers/server.js';
import { startPrometheus } from '../servers/start-prometheus.js';
import type { Stack } from '../stack.js';
import { StackError } from '../stack-error.js';

export interface Observing extends AsyncDisposable {
  readonly server: Server;
}

/** Starts a Prometheus that scrapes the stack; undefined, with a sentence why, where none can be had. */
export async function observe(
  stack: Stack,
  { port, report }: { readonly port: number; readonly report: Report },
): Promise<Observing | undefined> {
  const watchdog = Watchdog.start();
  try {
    const server = await startPrometheus({
      dir: path.join(stack.dir, 'servers', 'prometheus'),
      port,
      watchdog,
      targets: stack.replicas.map(({ httpPort }) => `${LOOPBACK}:${String(httpPort)}`),
      report,
    });
    return { server, [Symbol.asyncDispose]: () => watchdog.close() };
  } catch (error) {
    await watchdog.close();
    if (!(error instanceof StackError)) throw error;
    report(`The fleet runs without Prometheus. ${error.message}`);
    return undefined;
  }
}
