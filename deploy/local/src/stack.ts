import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, LOOPBACK } from './ports.js';
import type { ManagedProcess } from './process/managed-process.js';
import { Supervisor } from './process/supervisor.js';
import { Watchdog } from './process/watchdog.js';
import type { Report } from './servers/acquire-server.js';
import type { ExistingServers } from './servers/existing-servers.js';
import { type Servers, startServers } from './servers/start-servers.js';
import { silent } from './servers/server.js';
import { edgeUrls } from './service-environment.js';
import { assertBuilt, assertPortsFree, readyReplica, serviceProcesses, smsOutboxIn } from './service-processes.js';
import { keptSecrets, type StackSecrets } from './secrets.js';
import { smsCode } from './sms-outbox.js';
import { StackError } from './stack-error.js';
import {
  DEFAULT_PORTS,
  type FleetService,
  GODWIT_FLEET,
  planned,
  type PortPlan,
  type PortSource,
  type Replica,
  replicasOf,
} from './topology.js';

export interface StackOptions {
  /**
   * Folder for data and logs; made if it is not there. A second start on it finds the data of the first. Without it, a
   * temporary one, which goes with the stack.
   */
  readonly dir?: string;
  /** `free` for any free ports; the default are those that the README names. */
  readonly ports?: 'free' | PortPlan;
  /** Three members take longer to start and can lose one. */
  readonly mongo?: { readonly members: 1 | 3 };
  /** Three are a cluster in which streams have three copies. */
  readonly nats?: { readonly members: 1 | 3 };
  /** A replica for each of the three masters. */
  readonly redis?: { readonly replicas: boolean };
  /** Whether what ends unasked is started again. */
  readonly supervise?: boolean;
  readonly namespace?: string;
  /** Environment of all services. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Environment of a service's replicas (`router`) or of one of them (`router-0`). */
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /**
   * As `envOf` and over it, from what is known only when all ports are: for those who put something between the
   * processes. Called before any service is started.
   */
  readonly wire?: (replicas: readonly Replica[]) => Promise<NonNullable<StackOptions['envOf']>>;
  readonly existing?: ExistingServers;
  readonly fleet?: readonly FleetService[];
  readonly report?: Report;
  /** Called whenever a process has come or gone. */
  readonly onChange?: (stack: Stack) => void;
  /** Ends a start that is under way: everything started so far is killed, and `start` rejects. */
  readonly signal?: AbortSignal;
}

export interface ServiceBuild {
  /** What is started with Node. */
  readonly main: string;
  /** Over the environment that the replica has. */
  readonly env: Readonly<Record<string, string>>;
}

interface PlacedOptions extends StackOptions {
  readonly dir: string;
}

interface StackParts {
  readonly options: PlacedOptions;
  readonly watchdog: Watchdog;
  readonly supervisor: Supervisor;
  readonly servers: Servers;
  readonly replicas: readonly Replica[];
  readonly processes: ReadonlyMap<string, ManagedProcess>;
  readonly secrets: StackSecrets;
}

/** The whole local fleet on real servers, every process of it a real one. */
export class Stack implements AsyncDisposable {
  readonly #parts: StackParts;
  #stopping: Promise<void> | undefined;

  private constructor(parts: StackParts) {
    this.#parts = parts;
  }

  static async start(options: StackOptions): Promise<Stack> {
    const watchdog = Watchdog.start();
    const { signal } = options;
    const interrupt = (): void => void watchdog.close();
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      signal?.throwIfAborted();
      const stack = await startStack(await placed(options, watchdog), watchdog, (parts) => new Stack(parts));
      signal?.throwIfAborted();
      return stack;
    } catch (error) {
      await watchdog.close();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', interrupt);
    }
  }

  get dir(): string {
    return this.#parts.options.dir;
  }

  /** URLs, and those servers which the stack started itself, to be killed and restarted. */
  get servers(): Servers {
    return this.#parts.servers;
  }

  /** WebSocket URLs of the edges. */
  get edges(): readonly string[] {
    return edgeUrls(this.#parts.replicas);
  }

  get replicas(): readonly Replica[] {
    return this.#parts.replicas;
  }

  /** All processes, servers first. */
  get processes(): readonly ManagedProcess[] {
    return [...serverProcesses(this.#parts.servers), ...this.#parts.processes.values()];
  }

  get secrets(): StackSecrets {
    return this.#parts.secrets;
  }

  get smsOutbox(): string {
    return smsOutboxIn(this.dir);
  }

  restartsOf(name: string): number {
    return this.#parts.supervisor.restartsOf(name);
  }

  /** The newest one-time code for a phone number. */
  smsCode(phone: string): Promise<string> {
    return smsCode(this.smsOutbox, phone);
  }

  /** `host:port` of a service's gRPC server. */
  grpcAddress(name: string): string {
    return `${LOOPBACK}:${String(this.#replica(name).grpcPort)}`;
  }

  /** Health, readiness and metrics of a service. */
  httpUrl(name: string): string {
    return `http://${LOOPBACK}:${String(this.#replica(name).httpPort)}`;
  }

  process(name: string): ManagedProcess {
    const managed = this.processes.find((candidate) => candidate.name === name);
    if (managed === undefined) {
      const known = this.processes.map((candidate) => candidate.name).join(', ');
      throw new StackError(`There is no process ${name} in this stack; there are ${known}.`);
    }
    return managed;
  }

  /** Kills a process as if from outside, and waits for its end. A supervised one comes back by itself. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const managed = this.process(name);
    const ended = managed.untilExit();
    managed.signal(signal);
    await ended;
  }

  /** Freezes a process: it keeps its connections and answers nothing. */
  pause(name: string): void {
    this.process(name).pause();
  }

  resume(name: string): void {
    this.process(name).resume();
  }

  /** SIGTERM, and not started again before `restart`. */
  async stopProcess(name: string): Promise<void> {
    await this.process(name).stop();
  }

  /** Stops a process in good order if it runs, starts it and waits until it is ready. */
  async restart(name: string): Promise<void> {
    const managed = this.process(name);
    await managed.stop();
    await managed.start();
    const { mongo, nats, redis } = this.servers;
    const server = [mongo, nats, redis].find((candidate) => candidate?.processes.includes(managed));
    await (server === undefined ? this.waitReady(name) : server.ready());
  }

  /** `restart`, as another build of the service from now on. */
  async roll(name: string, { main, env }: ServiceBuild): Promise<void> {
    const managed = this.process(name);
    managed.become({ args: [main], env: { ...managed.spec.env, ...env } });
    await this.restart(name);
  }

  async waitReady(name: string, timeoutMs?: number): Promise<void> {
    const comesBack = this.#parts.options.supervise === true && this.process(name).wanted;
    await readyReplica(this.#replica(name), this.process(name), {
      comesBack,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** Everything a process has written, over all its starts. */
  async logs(name: string): Promise<string> {
    return readFile(this.process(name).spec.logFile, 'utf8');
  }

  /** Edges first, servers last; after it nothing runs. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    await this.#stopping;
  }

  /** Everything at once, as a power failure. */
  async killAll(): Promise<void> {
    this.#parts.supervisor.end();
    await this.#parts.watchdog.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stopAll(): Promise<void> {
    const { supervisor, replicas, servers, watchdog } = this.#parts;
    supervisor.end();
    const tiers = [...new Set(replicas.map((replica) => replica.service.stopTier))].sort((a, b) => a - b);
    for (const tier of tiers) {
      const names = replicas.filter((replica) => replica.service.stopTier === tier).map((replica) => replica.name);
      await Promise.all(names.map((name) => this.process(name).stop()));
    }
    await Promise.all([servers.mongo?.stop(), servers.nats?.stop(), servers.redis?.stop()]);
    await watchdog.close();
  }

  #replica(name: string): Replica {
    const replica = this.#parts.replicas.find((candidate) => candidate.name === name);
    if (replica === undefined) {
      const known = this.#parts.replicas.map((candidate) => candidate.name).join(', ');
      throw new StackError(`There is no service replica ${name} in this stack; there are ${known}.`);
    }
    return replica;
  }
}

async function placed(options: StackOptions, watchdog: Watchdog): Promise<PlacedOptions> {
  if (options.dir !== undefined) return { ...options, dir: options.dir };
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-stack-'));
  watchdog.removeAtEnd(dir);
  return { ...options, dir };
}

async function startStack(
  options: PlacedOptions,
  watchdog: Watchdog,
  make: (parts: StackParts) => Stack,
): Promise<Stack> {
  const report = options.report ?? silent;
  const fleet = options.fleet ?? GODWIT_FLEET;
  assertBuilt(fleet);
  await mkdir(options.dir, { recursive: true });
  const port = portSourceOf(options);
  const replicas = await replicasOf(fleet, port);
  await assertPortsFree(replicas);
  const since = Date.now();
  report('Starting MongoDB, NATS and Redis ...');
  const servers = await startServers({
    dir: path.join(options.dir, 'servers'),
    ports: {
      mongo: await take(port, 'mongo', options.mongo?.members ?? 1),
      nats: await take(port, 'nats', options.nats?.members ?? 1),
      redis: await take(port, 'redis', options.redis?.replicas === true ? 6 : 3),
    },
    redisReplicas: options.redis?.replicas === true,
    watchdog,
    report,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.existing === undefined ? {} : { existing: options.existing }),
  });
  report(`Servers are up after ${secondsSince(since)} s. Starting ${String(replicas.length)} services ...`);
  const secrets = keptSecrets(options.dir);
  const envOf = mergedEnv(options.envOf ?? {}, (await options.wire?.(replicas)) ?? {});
  const env = { ...clusterEnvironment(options), ...options.env };
  const processes = serviceProcesses({ options: { ...options, env, envOf }, watchdog, replicas, servers, secrets });
  const onChange = (): void => options.onChange?.(stack);
  const supervisor = new Supervisor({ report, onChange });
  const stack = make({ options, watchdog, supervisor, servers, replicas, processes, secrets });
  await Promise.all([...processes.values()].map((managed) => managed.start()));
  onChange();
  await Promise.all(replicas.map((replica) => readyReplica(replica, stack.process(replica.name))));
  if (options.supervise === true) superviseAll(stack, supervisor);
  report(`The fleet is ready after ${secondsSince(since)} s.`);
  return stack;
}

type EnvOf = NonNullable<StackOptions['envOf']>;

function mergedEnv(first: EnvOf, second: EnvOf): EnvOf {
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return Object.fromEntries(names.map((name) => [name, { ...first[name], ...second[name] }]));
}

function clusterEnvironment({ nats }: StackOptions): Record<string, string> {
  return nats?.members === 3 ? { GODWIT_NATS_STREAM_REPLICAS: '3' } : {};
}

function superviseAll(stack: Stack, supervisor: Supervisor): void {
  const { mongo, nats, redis } = stack.servers;
  for (const server of [mongo, nats, redis]) {
    for (const managed of server?.processes ?? []) {
      supervisor.watch({ managed, ready: () => server?.ready() ?? Promise.resolve() });
    }
  }
  for (const replica of stack.replicas) {
    const managed = stack.process(replica.name);
    supervisor.watch({ managed, ready: () => readyReplica(replica, managed) });
  }
}

function secondsSince(start: number): string {
  return ((Date.now() - start) / 1000).toFixed(1);
}

function portSourceOf(options: StackOptions): PortSource {
  return options.ports === 'free' ? freePort : planned(options.ports ?? DEFAULT_PORTS);
}

async function take(port: PortSource, kind: keyof PortPlan, count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await port(kind));
  return ports;
}

function serverProcesses({ mongo, nats, redis }: Servers): ManagedProcess[] {
  return [mongo, nats, redis].flatMap((server) => [...(server?.processes ?? [])]);
}
