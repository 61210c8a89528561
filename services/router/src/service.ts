import { connectBus, type Bus } from '@godwit/bus/bus';
import { EVENTS, PUSH } from '@godwit/bus/streams';
import { EventRecorder } from '@godwit/events/event-recorder';
import { newId } from '@godwit/ids/id';
import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { MessageStoreServiceService } from '@godwit/proto/gen/grpc/godwit/message_store/v1/message_store';
import { RouterServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { TraceServiceService } from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodeAddress } from '@godwit/ring/node-address';
import { accountApiKeyVerifier } from '@godwit/rpc/account-api-key-verifier';
import type { Definition } from '@godwit/rpc/method';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { systemClock, type Clock } from '@godwit/runtime/clock';
import { startHealthServer } from '@godwit/runtime/health-server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics, type Metrics } from '@godwit/telemetry/metrics';
import type { RouterConfig } from './config.js';
import { followFacts } from './consumers/facts.js';
import { appendMembership } from './grpc/append-membership.js';
import { getMembershipLog } from './grpc/get-membership-log.js';
import { getMessages } from './grpc/get-messages.js';
import { getReceipts } from './grpc/get-receipts.js';
import { Links } from './grpc/link.js';
import { sendMessage } from './grpc/send-message.js';
import { setHistory } from './grpc/set-history.js';
import { traceMessage } from './grpc/trace-message.js';
import { tracedSends } from './grpc/traced-sends.js';
import { eventHistory } from './nats/event-history.js';
import { MessageFacts } from './nats/message-facts.js';
import { pushWakes } from './nats/push-wakes.js';
import { AccountDevices, AccountRelations } from './peers/account-relations.js';
import { AppendLinks } from './peers/append-links.js';
import { GroupConversations } from './peers/group-conversations.js';
import { StoreMessageLog } from './peers/message-log.js';
import { SessionServiceDirectory } from './peers/session-directory.js';
import { createRules, type RouterPorts, type Rules } from './rules.js';
import { createTelemetry, observePending, type Telemetry } from './telemetry.js';

export interface RouterOverrides extends Partial<RouterPorts> {
  readonly clock?: Clock;
  /** Ports that stand before the real ones. */
  readonly around?: (real: RouterPorts) => Partial<RouterPorts>;
}

export interface Router {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly rules: Rules;
}

interface Parts {
  readonly config: RouterConfig;
  readonly life: Lifecycle;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** Starts a router: first what it talks to, then its rules, then the doors. */
export const startRouter = async (
  config: RouterConfig,
  life: Lifecycle,
  overrides: RouterOverrides = {},
): Promise<Router> => {
  const metrics = createMetrics({ service: 'router', node: config.node });
  const health = await startHealthServer({ listen: config.httpListen, build: config.build, metrics, life });
  const telemetry = createTelemetry(metrics, life.logger);
  const clock = overrides.clock ?? systemClock;
  const parts: Parts = { config, life, metrics, telemetry, clock };
  const bus = openBus(parts);
  const account = openPool(parts, AccountServiceService, config.peers.account);
  const real = createPorts(parts, bus, account);
  const ports = { ...real, ...overrides, ...overrides.around?.(real) };
  const rules = createRules({ config, ports, telemetry, clock });
  life.onStop('drain', 'pending work', () => rules.stop());
  followFacts({ bus, conversations: rules.conversations, relations: rules.relations });
  const grpcPort = await listen(parts, rules, { account, clock });
  observePending(metrics, rules.pending);
  health.check('message-store', () => (rules.appendStreams.up > 0 ? true : 'no stream to any replica'));
  health.started();
  return { grpcPort, httpPort: health.port, rules };
};

const openBus = ({ config, life, metrics }: Parts): Bus => {
  const { natsUrl: url, namespace, node: name, natsStreamReplicas: streamReplicas } = config;
  const { logger } = life;
  const bus = connectBus({ url, namespace, name, logger, metrics, streams: [PUSH, EVENTS], streamReplicas });
  life.onStop('close', 'bus', () => bus.close());
  return bus;
};

const openRecorder = ({ config, life, metrics }: Parts, bus: Bus): EventRecorder => {
  const recorder = new EventRecorder({ bus, service: 'router', origin: config.node, metrics });
  life.onStop('close', 'events', () => recorder.stop());
  return recorder;
};

const openPool = <D extends Definition>(
  { config, life, metrics }: Parts,
  definition: D,
  nodes: readonly NodeAddress[],
): NodePool<D> => {
  const { node: self, fleetToken, tls } = config;
  const pool = connectNodes(definition, { nodes, self, fleetToken, tls, logger: life.logger, metrics });
  life.onStop('close', 'channels', () => {
    pool.close();
  });
  return pool;
};

const createPorts = (parts: Parts, bus: Bus, account: NodePool<AccountServiceService>): RouterPorts => {
  const { config, telemetry } = parts;
  const stores = openPool(parts, MessageStoreServiceService, config.peers.messageStore);
  const sessions = openPool(parts, SessionServiceService, config.peers.session);
  const group = openPool(parts, GroupServiceService, config.peers.group);
  return {
    log: new StoreMessageLog(stores, telemetry.failed('cursors')),
    appendStreams: (handlers) => new AppendLinks({ pool: stores, self: config.node, incarnation: newId(), handlers }),
    sessions: new SessionServiceDirectory(sessions, telemetry.failed('session lookup')),
    conversations: new GroupConversations(group),
    relations: new AccountRelations(account),
    devices: new AccountDevices(account),
    wakes: pushWakes(bus),
    events: new MessageFacts(openRecorder(parts, bus), parts.clock),
    eventHistory: eventHistory(bus),
  };
};

interface Doors {
  readonly account: NodePool<AccountServiceService>;
  readonly clock: Clock;
}

const listen = async ({ config, life, metrics, telemetry }: Parts, rules: Rules, { account, clock }: Doors) => {
  const ingress = tracedSends(rules.ingress);
  const links = new Links({
    ...rules,
    ingress,
    clock,
    maxSendsPerEdge: config.sends.maxPendingPerEdge,
    maxFetchesPerEdge: config.sync.maxFetchesPerEdge,
    onSent: telemetry.sent,
    onFailed: telemetry.failed('fetch'),
  });
  const handlers = {
    link: (stream: Parameters<Links['open']>[0]) => {
      links.open(stream);
    },
    sendMessage: sendMessage(ingress),
    getMessages: getMessages(rules),
    getReceipts: getReceipts(rules.history),
    setHistory: setHistory(rules.history),
    appendMembership: appendMembership(rules.membershipChanges, clock),
    getMembershipLog: getMembershipLog(rules.log),
  };
  const scopes = { sendMessage: 'messages', getMessages: 'messages', getReceipts: 'messages', setHistory: 'messages' };
  const { port } = await startRpcServer({
    listen: config.grpcListen,
    services: [
      serve(RouterServiceService, handlers, scopes),
      serve(TraceServiceService, { traceMessage: traceMessage(rules.traces) }, { traceMessage: 'admin' }),
    ],
    auth: { fleetToken: config.fleetToken, verifyApiKey: accountApiKeyVerifier(account) },
    tls: config.tls,
    metrics,
    life,
    reflection: config.environment !== 'production',
  });
  life.onStop('drain', 'edge links', () => {
    links.stop();
  });
  return port;
};
