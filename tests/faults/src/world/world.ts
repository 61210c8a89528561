import path from 'node:path';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { Stack, type StackOptions } from '@godwit/local-stack/stack';
import { GODWIT_FLEET, type FleetService, type Replica } from '@godwit/local-stack/topology';
import { Clocks } from './clocks.js';
import type { Release } from './release.js';
import { TcpProxy } from './tcp-proxy.js';

/** Between whom there are proxies: each of the first has one to each of the second. */
const LINKS = {
  'edge-router': ['edge', 'router'],
  'router-store': ['router', 'message-store'],
  'edge-session': ['edge', 'session'],
  'router-session': ['router', 'session'],
} as const;
export type LinkName = keyof typeof LINKS;

export interface Wire {
  readonly link: LinkName;
  readonly from: string;
  readonly to: string;
  readonly proxy: TcpProxy;
}

/** Short times, so that much can happen in a minute; small buffers, so that slow readers meet their limit. */
const SERVICE_ENV = { GODWIT_LOG_LEVEL: 'warn' };
const ENV_OF = {
  edge: {
    ...LIFTED_EDGE_LIMITS,
    GODWIT_EDGE_DRAIN: '2s',
    GODWIT_EDGE_HEARTBEAT: '5s',
    GODWIT_EDGE_MAX_BACKPRESSURE_BYTES: '65536',
    GODWIT_EDGE_CALLS_PER_SECOND: '1000',
  },
  'message-store': { GODWIT_REAPER_DELAY: '2s', GODWIT_REAPER_ROUND: '10s', GODWIT_REAPER_PACE: '50ms' },
};

export interface WorldOptions extends Partial<StackOptions> {
  readonly dir: string;
  /** Starts as this, with two replicas of every service. */
  readonly release?: Release;
}

/** The fleet on servers that can lose members, with proxies between its processes and clocks that can jump. */
export class World implements AsyncDisposable {
  readonly stack: Stack;
  readonly wires: readonly Wire[];
  readonly clocks: Clocks;
  /** What its services were when it started, where that is not the build of now. */
  readonly release: Release | undefined;

  private constructor(parts: Pick<World, 'stack' | 'wires' | 'clocks' | 'release'>) {
    this.stack = parts.stack;
    this.wires = parts.wires;
    this.clocks = parts.clocks;
    this.release = parts.release;
  }

  static async start({ release, ...options }: WorldOptions): Promise<World> {
    const wires: Wire[] = [];
    const clocks = new Clocks(path.join(options.dir, 'clocks'));
    try {
      const stack = await Stack.start({
        ports: 'free',
        supervise: true,
        mongo: { members: 3 },
        nats: { members: 3 },
        redis: { replicas: true },
        ...(release === undefined ? {} : { fleet: fleetOf(release) }),
        ...options,
        env: { ...SERVICE_ENV, ...options.env },
        envOf: { ...ENV_OF, ...options.envOf },
        wire: async (replicas) => {
          wires.push(...(await layWires(replicas)));
          return environment(replicas, { wires, clocks });
        },
      });
      return new World({ stack, wires, clocks, release });
    } catch (error) {
      await closeAll(wires);
      throw error;
    }
  }

  /** Replicas of a service that are in this fleet. */
  replicasOf(service: string): string[] {
    return this.stack.replicas.filter((replica) => replica.service.service === service).map(({ name }) => name);
  }

  /** Both sides of one pair, in a fleet as small as this. */
  wiresOf(link: LinkName): Wire[] {
    return this.wires.filter((wire) => wire.link === link);
  }

  openAll(): void {
    for (const { proxy } of this.wires) proxy.mode = 'open';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    await closeAll(this.wires);
  }
}

function fleetOf(release: Release): FleetService[] {
  return GODWIT_FLEET.map((service) => {
    const { main, env } = release.buildOf(service.service);
    return { ...service, replicas: 2, main, env: (site) => ({ ...service.env?.(site), ...env }) };
  });
}

async function closeAll(wires: readonly Wire[]): Promise<void> {
  await Promise.all(wires.map(({ proxy }) => proxy.close()));
}

async function layWires(replicas: readonly Replica[]): Promise<Wire[]> {
  const of = (service: string): Replica[] => replicas.filter((replica) => replica.service.service === service);
  const wires: Wire[] = [];
  for (const [link, [caller, called]] of Object.entries(LINKS) as [LinkName, readonly [string, string]][]) {
    for (const from of of(caller)) {
      for (const to of of(called)) {
        const proxy = await TcpProxy.start({ host: '127.0.0.1', port: to.grpcPort });
        wires.push({ link, from: from.name, to: to.name, proxy });
      }
    }
  }
  return wires;
}

async function environment(
  replicas: readonly Replica[],
  { wires, clocks }: { wires: readonly Wire[]; clocks: Clocks },
): Promise<Record<string, Record<string, string>>> {
  const env: Record<string, Record<string, string>> = {};
  for (const { name, service } of replicas) {
    const own: Record<string, string> = {};
    for (const { from, to, proxy } of wires) {
      if (from !== name) continue;
      const variable = `GODWIT_${to.replace(/-\d+$/, '').toUpperCase().replaceAll('-', '_')}_NODES`;
      const node = `${to}=127.0.0.1:${String(proxy.port)}`;
      own[variable] = own[variable] === undefined ? node : `${own[variable]},${node}`;
    }
    const hasClock = service.service === 'router' || service.service === 'message-store';
    env[name] = { ...own, ...(hasClock ? await clocks.environmentOf(name) : {}) };
  }
  return env;
}
