import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { loadRouterConfig } from '../../src/config.js';
import { startRouter, type Router, type RouterOverrides } from '../../src/service.js';
import type { World } from './memory-world.js';

export interface RunningRouter extends Router {
  readonly life: Lifecycle;
}

export interface RouterOptions {
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: RouterOverrides;
}

/** A router in this process on real ports. */
export const runRouter = async ({
  node = 'router-0',
  env = {},
  overrides = {},
}: RouterOptions): Promise<RunningRouter> => {
  const config = loadRouterConfig({
    GODWIT_NODE: node,
    GODWIT_NAMESPACE: uniqueNamespace(),
    GODWIT_GRPC_LISTEN: '127.0.0.1:0',
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    GODWIT_NATS_URL: 'nats://127.0.0.1:1',
    ...env,
  });
  const life = new Lifecycle({ logger: silentLogger });
  return { ...(await startRouter(config, life, overrides)), life };
};

/** The ports of a world in memory. */
export const portsOf = (world: World): RouterOverrides => ({
  log: world.log,
  appendStreams: world.log.streams,
  sessions: world.sessions,
  conversations: world.conversations,
  relations: world.relations,
  devices: world.devices,
  wakes: world.wakes,
});
