import { parseNodes } from '@godwit/ring/node-address';
import type { RotatingSecret } from '@godwit/runtime/config';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { connectNodes } from '../src/node-pool.js';
import { serve, startRpcServer, type Handlers, type RpcServerOptions } from '../src/server.js';

// A service as ts-proto would generate it, in JSON: what is tested here doesn't depend on the encoding.

export interface EchoRequest {
  text: string;
}
export interface EchoResponse {
  text: string;
  node: string;
}

const coding = <T>() => ({
  serialize: (value: T): Buffer => Buffer.from(JSON.stringify(value)),
  deserialize: (bytes: Buffer): T => JSON.parse(bytes.toString()) as T,
});

const request = coding<EchoRequest>();
const response = coding<EchoResponse>();
const codecs = {
  requestSerialize: request.serialize,
  requestDeserialize: request.deserialize,
  responseSerialize: response.serialize,
  responseDeserialize: response.deserialize,
};

export const EchoService = {
  echo: { path: '/test.Echo/Echo', requestStream: false as const, responseStream: false as const, ...codecs },
  shout: { path: '/test.Echo/Shout', requestStream: false as const, responseStream: false as const, ...codecs },
  count: { path: '/test.Echo/Count', requestStream: false as const, responseStream: true as const, ...codecs },
  link: { path: '/test.Echo/Link', requestStream: true as const, responseStream: true as const, ...codecs },
} as const;

export const TOKEN = 'the-token-of-the-test-fleet';

export const echoHandlers = (node: string): Handlers<typeof EchoService> => ({
  echo: async ({ text }) => ({ text, node }),
  shout: async ({ text }, context) => ({
    text: `${text.toUpperCase()} ${JSON.stringify(context.caller)} ${context.user ?? ''}`,
    node,
  }),
  count: async function* ({ text }) {
    for (let number = 1; number <= Number(text); number++) yield { text: String(number), node };
  },
  link: (stream) => {
    stream.onFrame(({ text }) => stream.send({ text: `${stream.peer}: ${text}`, node }));
  },
});

export interface EchoServer {
  readonly node: string;
  readonly port: number;
  readonly life: Lifecycle;
}

export interface EchoServerOptions extends Partial<
  Pick<RpcServerOptions, 'auth' | 'listen' | 'metrics' | 'reflection' | 'services' | 'tls'>
> {
  readonly handlers?: Partial<Handlers<typeof EchoService>>;
  readonly port?: number;
}

export const startEcho = async (node: string, options: EchoServerOptions = {}): Promise<EchoServer> => {
  const { handlers, port: wantedPort = 0, ...rest } = options;
  const life = new Lifecycle({ logger: silentLogger });
  const { port } = await startRpcServer({
    listen: { host: '127.0.0.1', port: wantedPort },
    services: [serve(EchoService, { ...echoHandlers(node), ...handlers }, { shout: 'echo.shout' })],
    auth: { fleetToken: [TOKEN] },
    metrics: createMetrics({ service: 'echo', node, processMetrics: false }),
    reflection: false,
    life,
    ...rest,
  });
  return { node, port, life };
};

export const connectEcho = (
  servers: readonly { readonly node: string; readonly port: number }[],
  fleetToken: RotatingSecret = [TOKEN],
) =>
  connectNodes(EchoService, {
    nodes: parseNodes(servers.map(({ node, port }) => `${node}=127.0.0.1:${String(port)}`).join()),
    self: 'tester-0',
    fleetToken,
    logger: silentLogger,
    metrics: createMetrics({ service: 'tester', node: 'tester-0', processMetrics: false }),
  });
