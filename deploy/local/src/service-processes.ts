import { existsSync } from 'node:fs';
import path from 'node:path';
import { assertPortFree, LOOPBACK } from './ports.js';
import { ManagedProcess, waitUntilReady } from './process/managed-process.js';
import type { Watchdog } from './process/watchdog.js';
import type { StackSecrets } from './secrets.js';
import type { Servers } from './servers/start-servers.js';
import { environmentOf, type FleetSettings } from './service-environment.js';
import { StackError } from './stack-error.js';
import type { FleetService, Replica } from './topology.js';

const READY_TIMEOUT_MS = 60_000;

/** What those who start a stack may say about its services. */
export interface ServiceOptions {
  readonly dir: string;
  readonly namespace?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function assertBuilt(fleet: readonly FleetService[]): void {
  const missing = fleet.filter(({ main }) => !existsSync(main)).map(({ service }) => service);
  if (missing.length > 0) {
    throw new StackError(`Not built: ${missing.join(', ')}. Run npm start, which builds, or npx tsc -b.`);
  }
}

export async function assertPortsFree(replicas: readonly Replica[]): Promise<void> {
  for (const { name, publicPort, grpcPort, httpPort } of replicas) {
    if (publicPort !== undefined) await assertPortFree(claim(publicPort, name, 'GODWIT_PORT_EDGE'));
    await assertPortFree(claim(grpcPort, `${name} (gRPC)`, 'GODWIT_PORT_GRPC'));
    await assertPortFree(claim(httpPort, `${name} (health)`, 'GODWIT_PORT_HTTP'));
  }
}

function claim(port: number, what: string, variable: string): { port: number; what: string; wayOut: string } {
  return { port, what, wayOut: `Stop it, or move the stack: ${variable}=<port>, or npm start -- --port-base <port>.` };
}

export interface ServicesPlan {
  readonly options: ServiceOptions;
  readonly watchdog: Watchdog;
  readonly replicas: readonly Replica[];
  readonly servers: Servers;
  readonly secrets: StackSecrets;
}

export function serviceProcesses({
  options,
  watchdog,
  replicas,
  servers,
  secrets,
}: ServicesPlan): Map<string, ManagedProcess> {
  const settings: FleetSettings = {
    site: { dir: options.dir, smsOutbox: smsOutboxIn(options.dir) },
    namespace: options.namespace ?? 'godwit',
    secrets,
    urls: servers.urls,
    replicas,
    env: options.env ?? {},
    envOf: options.envOf ?? {},
  };
  const processes = new Map<string, ManagedProcess>();
  for (const replica of replicas) {
    const spec = {
      name: replica.name,
      command: process.execPath,
      args: [replica.service.main],
      env: environmentOf(replica, settings),
      cwd: options.dir,
      logFile: path.join(options.dir, 'logs', `${replica.name}.log`),
    };
    processes.set(replica.name, new ManagedProcess(spec, watchdog));
  }
  return processes;
}

export function smsOutboxIn(dir: string): string {
  return path.resolve(dir, 'sms.log');
}

export async function readyReplica(
  replica: Replica,
  managed: ManagedProcess,
  how: { readonly timeoutMs?: number; readonly comesBack?: boolean } = {},
): Promise<void> {
  const { timeoutMs = READY_TIMEOUT_MS, comesBack = false } = how;
  await waitUntilReady(managed, { timeoutMs, comesBack, check: () => readinessComplaint(replica.httpPort) });
}

/** Why a service says it is not ready, or undefined when it is. */
export async function readinessComplaint(httpPort: number): Promise<string | undefined> {
  const response = await fetch(`http://${LOOPBACK}:${String(httpPort)}/readyz`, { signal: AbortSignal.timeout(2000) });
  const text = await response.text();
  return response.ok ? undefined : `/readyz says ${String(response.status)}: ${text.slice(0, 200)}`;
}
