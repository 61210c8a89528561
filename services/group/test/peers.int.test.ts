import { credentials, Metadata, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectBus } from '@godwit/bus/bus';
import { groupMemberships } from '@godwit/bus/subjects';
import { newId } from '@godwit/ids/id';
import { AccountServiceService, UserDevices } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { MembershipChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import {
  GroupServiceClient,
  type GroupServiceService,
  type ListConversationsResponse,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { Membership } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { RouterServiceService, type MembershipEntry } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { accountApiKeyVerifier } from '@godwit/rpc/account-api-key-verifier';
import type { Definition } from '@godwit/rpc/method';
import { connectNodes, type NodePool } from '@godwit/rpc/node-pool';
import { RpcError } from '@godwit/rpc/rpc-error';
import { startRpcServer, type ServedService } from '@godwit/rpc/server';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { loadGroupConfig } from '../src/config.js';
import { startGroup } from '../src/service.js';
import { groupEnv, people, poolTo, refusalOf } from './support/group-under-test.js';

// The service with nothing replaced: its peers are servers that speak the protos and keep what they get.

const FLEET_TOKEN = 'fleet-token-of-this-test';
const metrics = createMetrics({ service: 'peer', node: 'peer-0', processMetrics: false });
const life = new Lifecycle({ logger: silentLogger });
const namespace = uniqueNamespace();

const entries = new Map<string, MembershipEntry[]>();
const appends: { actorUserId: string; actorDeviceId: string; clientMessageId: string }[] = [];
let reuse = false;

const router = {
  appendMembership: (request: {
    conversationId: string;
    clientMessageId: string;
    actorUserId: string;
    actorDeviceId: string;
    membership: Membership | undefined;
  }) => {
    if (reuse)
      throw new RpcError({ code: status.ALREADY_EXISTS, reason: 'CLIENT_MESSAGE_ID_REUSED', message: 'taken' });
    const log = entries.get(request.conversationId) ?? [];
    const version = log.at(-1)?.seq ?? 0;
    if (version !== request.membership?.basedOn) {
      return Promise.resolve({ outcome: { $case: 'stale', value: { membershipVersion: version } } });
    }
    const entry = { seq: version + 1, serverTimeMs: 1_700_000_000_000, actorUserId: request.actorUserId };
    entries.set(request.conversationId, [...log, { ...entry, membership: request.membership }]);
    appends.push(request);
    return Promise.resolve({ outcome: { $case: 'stored', value: { ...entry, duplicate: false } } });
  },
  getMembershipLog: ({ conversationId, afterVersion }: { conversationId: string; afterVersion: number }) => {
    const log = entries.get(conversationId) ?? [];
    const later = log.filter(({ seq }) => seq > afterVersion);
    const membershipVersion = log.at(-1)?.seq ?? 0;
    return Promise.resolve({ entries: later.slice(0, 2), membershipVersion, more: later.length > 2 });
  },
};

let verifications = 0;
const account = {
  getUserDevices: ({ userIds }: { userIds: string[] }) =>
    Promise.resolve({ users: userIds.map((userId) => UserDevices.fromPartial({ userId })) }),
  getRelations: ({ queries }: { queries: unknown[] }) => {
    if (queries.length > 500)
      throw new RpcError({ code: status.INVALID_ARGUMENT, reason: 'TOO_MANY', message: 'too many' });
    const relation = { ownerExists: true, blocked: false, contact: false, privacy: undefined };
    return Promise.resolve({ relations: queries.map(() => relation) });
  },
  verifyApiKey: ({ apiKey }: { apiKey: string }) => {
    verifications++;
    const scopes: Readonly<Record<string, string[]>> = { good: ['groups'], narrow: ['messages'] };
    return Promise.resolve({
      apiKeyId: scopes[apiKey] === undefined ? '' : apiKey,
      name: '',
      scopes: scopes[apiKey] ?? [],
    });
  },
};

/** The given methods of a service; the others fail. */
const partly = (definition: Definition, handlers: Readonly<Record<string, unknown>>): ServedService => {
  const missing = () => Promise.reject(new Error('nobody calls this here'));
  const all = Object.fromEntries(Object.keys(definition).map((name) => [name, handlers[name] ?? missing]));
  return { definition, handlers: all, apiKeyScopes: {} };
};

const startPeer = async (service: ServedService): Promise<number> => {
  const { port } = await startRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    services: [service],
    auth: { fleetToken: [FLEET_TOKEN] },
    metrics,
    life,
    reflection: false,
  });
  return port;
};

let pool: NodePool<GroupServiceService>;
let ports: { grpcPort: number; httpPort: number };
let accountPort: number;
let peerEnv: Record<string, string>;

beforeAll(async () => {
  const routerPort = await startPeer(partly(RouterServiceService, router));
  accountPort = await startPeer(partly(AccountServiceService, account));
  peerEnv = {
    GODWIT_ROUTER_NODES: `router-0=127.0.0.1:${String(routerPort)}`,
    GODWIT_ACCOUNT_NODES: `account-0=127.0.0.1:${String(accountPort)}`,
  };
  ports = await startGroup(loadGroupConfig({ ...groupEnv(namespace), ...peerEnv }), life);
  pool = poolTo(ports.grpcPort);
});
afterAll(async () => {
  pool.close();
  await life.stop();
});

const as = (user: string) => ({ deadlineMs: 10_000, idempotent: false, user });
const newGroup = (memberUserIds: string[]) => ({
  clientRequestId: newId(),
  name: 'Waders',
  pictureMediaId: '',
  memberUserIds,
  settings: undefined,
});

/** As an internal team calls: the generated client, an API key, a user to act for. */
const asTeam = async <T>(
  key: string,
  user: string,
  call: (client: GroupServiceClient, metadata: Metadata, answer: (error: Error | null, response: T) => void) => unknown,
): Promise<T> => {
  const client = new GroupServiceClient(`127.0.0.1:${String(ports.grpcPort)}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('x-api-key', key);
  metadata.set('godwit-user', user);
  try {
    return await new Promise<T>((resolve, reject) => {
      call(client, metadata, (error, response) => {
        if (error === null) resolve(response);
        else reject(error);
      });
    });
  } finally {
    client.close();
  }
};

const listAsTeam = (key: string, user: string) =>
  asTeam<ListConversationsResponse>(key, user, (client, metadata, answer) =>
    client.listConversations({ pageSize: 0, pageToken: '' }, metadata, { deadline: Date.now() + 5_000 }, answer),
  );

const listForFleetAsTeam = (key: string, user: string) =>
  asTeam<unknown>(key, user, (client, metadata, answer) =>
    client.listUserConversations(
      { userId: user, pageSize: 1, pageToken: '' },
      metadata,
      { deadline: Date.now() + 5_000 },
      answer,
    ),
  );

describe('the service among its peers', () => {
  it('has changes appended by the router for who made them, and reads the log back in pages', async () => {
    const [owner = '', ...others] = people(501);
    const { group } = await pool.callAny('createGroup', newGroup(others), as(owner));
    const conversationId = group?.conversationId ?? '';
    await pool.callAny('removeMembers', { conversationId, userIds: others.slice(0, 1) }, as(owner));
    expect(group).toMatchObject({ memberCount: 501, membershipVersion: 2 });
    expect(appends.map(({ actorUserId, clientMessageId }) => [actorUserId, clientMessageId]).slice(0, 2)).toEqual([
      [owner, 'created'],
      [owner, 'created-rest'],
    ]);
    // Another installation of the service, whose projections are empty, and which has no NATS.
    const elsewhere = { ...groupEnv(uniqueNamespace()), ...peerEnv, GODWIT_NATS_URL: 'nats://127.0.0.1:1' };
    const other = await startGroup(loadGroupConfig(elsewhere), life);
    const otherPool = poolTo(other.grpcPort);
    const read = await otherPool.callAny('getGroup', { conversationId }, as(owner));
    expect(read.group).toMatchObject({ name: 'Waders', memberCount: 500, membershipVersion: 3 });
    expect(await otherPool.callAny('leaveGroup', { conversationId }, as(others[1] ?? ''))).toEqual({
      membershipVersion: 4,
    });
    otherPool.close();
  });

  it('decides again when the log says that the id is taken, and gives up in the end', async () => {
    const [owner = ''] = people(1);
    reuse = true;
    const refused = await refusalOf(pool.callAny('createGroup', newGroup([]), as(owner)));
    reuse = false;
    expect(refused).toMatchObject({ code: status.UNAVAILABLE, reason: 'VERSION_NOT_REACHED' });
  });

  it('tells the bus of changes', async () => {
    const told: MembershipChanged[] = [];
    const bus = connectBus({ url: testServers().natsUrl, namespace, name: 'test', logger: silentLogger, metrics });
    bus.follow(groupMemberships, {
      onFact: (payload) => void told.push(MembershipChanged.decode(payload)),
      onGap: () => undefined,
    });
    const [owner = ''] = people(1);
    await waitFor(() => bus.connected);
    await waitFor(async () => {
      await pool.callAny('createGroup', newGroup([]), as(owner));
      return told.length > 0;
    });
    expect(told[0]).toMatchObject({ membershipVersion: 1 });
    await bus.close();
  });

  it('lets internal teams in with a key of the right scope, for what users may do', async () => {
    const [user = ''] = people(1);
    expect(await listAsTeam('good', user)).toMatchObject({ conversations: [] });
    expect(await refusalOf(listAsTeam('narrow', user))).toMatchObject({ reason: 'SCOPE_MISSING' });
    expect(await refusalOf(listAsTeam('unknown', user))).toMatchObject({ reason: 'API_KEY_INVALID' });
    expect(await refusalOf(listForFleetAsTeam('good', user))).toMatchObject({ reason: 'NOT_FOR_API_KEYS' });
  });

  it('asks account for a key once in a while', async () => {
    const toAccount = connectNodes(AccountServiceService, {
      nodes: [{ name: 'account-0', host: '127.0.0.1', port: accountPort }],
      self: 'test-0',
      fleetToken: [FLEET_TOKEN],
      logger: silentLogger,
      metrics,
    });
    const verify = accountApiKeyVerifier(toAccount);
    const before = verifications;
    const owners = await Promise.all(Array.from({ length: 10 }, () => verify('good')));
    expect(owners).toEqual(Array(10).fill({ callerId: 'good', scopes: ['groups'] }));
    expect([await verify('bad'), await verify('bad'), await verify('x'.repeat(1_000))]).toEqual(
      Array(3).fill(undefined),
    );
    expect(verifications - before).toBe(2);
    toAccount.close();
  });

  it('is ready, and says what it measures', async () => {
    const get = (path: string) => fetch(`http://127.0.0.1:${String(ports.httpPort)}${path}`);
    expect((await get('/readyz')).status).toBe(200);
    expect(await (await get('/metrics')).text()).toContain('godwit_rpc_server_seconds');
  });
});
