import type { NodeAddress } from '@godwit/ring/node-address';
import { formatHostPort } from '@godwit/ring/node-address';
import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { Handlers } from '@godwit/rpc/server';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { waitFor } from '@godwit/testkit/wait-for';
import { loadEdgeConfig } from '../src/config.js';
import { startEdge, type EdgeOverrides, type EdgeService } from '../src/service.js';
import { connect, type Client, type ConnectOptions } from './ws-client.js';
import {
  FakeAccount,
  FakePresence,
  FakeRouter,
  FakeSession,
  FLEET_TOKEN,
  newDevice,
  startOther,
  type Device,
  type Fake,
} from './fake-fleet.js';

const nodeList = (nodes: readonly NodeAddress[]): string =>
  nodes.map((node) => `${node.name}=${formatHostPort(node)}`).join(',');

export interface RunningEdge {
  readonly edge: EdgeService;
  readonly life: Lifecycle;
  readonly routers: readonly FakeRouter[];
  readonly session: FakeSession;
  readonly presence: FakePresence;
  readonly account: FakeAccount;
  readonly url: string;
  readonly httpUrl: string;
  connect(options?: Partial<ConnectOptions> & { readonly device?: Device }): Promise<Client>;
  /** Connected, welcomed and synced. */
  online(options?: Partial<ConnectOptions> & { readonly device?: Device }): Promise<Client>;
  stop(): Promise<void>;
}

export interface RunningEdgeOptions {
  readonly routers?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: EdgeOverrides;
  readonly account?: Partial<Handlers<typeof AccountServiceService>>;
}

/** A real edge with real sockets, among stand-ins for the rest of the fleet. */
export const runEdge = async (options: RunningEdgeOptions = {}): Promise<RunningEdge> => {
  const { routers: count = 1, env = {}, overrides } = options;
  const routers = Array.from({ length: count }, (_, index) => new FakeRouter(`router-${String(index)}`));
  const session = new FakeSession();
  const presence = new FakePresence();
  const account = new FakeAccount();
  await Promise.all([
    ...routers.map((router) => router.start()),
    session.start(),
    presence.start(),
    account.start(options.account),
  ]);
  const others: Fake[] = [await startOther('group'), await startOther('push')];
  const [group, push] = others;
  const config = loadEdgeConfig({
    GODWIT_NODE: 'edge-0',
    GODWIT_EDGE_LISTEN: '127.0.0.1:0',
    GODWIT_HTTP_LISTEN: '127.0.0.1:0',
    GODWIT_GRPC_LISTEN: '127.0.0.1:0',
    GODWIT_FLEET_TOKEN: FLEET_TOKEN,
    GODWIT_EDGE_DRAIN: '300ms',
    GODWIT_ROUTER_NODES: nodeList(routers.map(({ address }) => address)),
    GODWIT_SESSION_NODES: nodeList([session.address]),
    GODWIT_PRESENCE_NODES: nodeList([presence.address]),
    GODWIT_ACCOUNT_NODES: nodeList([account.address]),
    GODWIT_GROUP_NODES: nodeList(group === undefined ? [] : [group.address]),
    GODWIT_PUSH_NODES: nodeList(push === undefined ? [] : [push.address]),
    ...env,
  });
  const life = new Lifecycle({ logger: silentLogger });
  const hurry = new AbortController();
  const edge = await startEdge(config, life, { hurry: hurry.signal, ...overrides });
  const httpUrl = `http://127.0.0.1:${String(edge.port)}`;
  const readyUrl = `http://127.0.0.1:${String(edge.httpPort)}/readyz`;
  await waitFor(async () => (await fetch(readyUrl)).ok, { what: 'the edge to be ready' });
  const url = `ws://127.0.0.1:${String(edge.port)}/v1/ws`;
  const open: RunningEdge['connect'] = async ({ device = newDevice(), ...wanted } = {}) => {
    const token = wanted.token ?? (await account.token(device));
    return connect(url, { json: true, ...wanted, token, device });
  };
  return {
    edge,
    life,
    routers,
    session,
    presence,
    account,
    url,
    httpUrl,
    connect: open,
    online: async (wanted) => {
      const client = await open(wanted);
      client.say({ requestId: 1, hello: {} });
      await client.next('welcome');
      await client.next('syncComplete');
      return client;
    },
    stop: async () => {
      hurry.abort();
      await life.stop();
      await Promise.all([...routers, session, presence, account, ...others].map((fake) => fake.stop()));
    },
  };
};
