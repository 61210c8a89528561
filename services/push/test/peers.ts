import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { Role } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { Definition } from '@godwit/rpc/method';
import { unavailable } from '@godwit/rpc/rpc-error';
import { serve, startRpcServer, type Handlers } from '@godwit/rpc/server';
import type { Lifecycle } from '@godwit/runtime/lifecycle';
import { createMetrics } from '@godwit/telemetry/metrics';

export const FLEET_TOKEN = 'fleet-token-of-this-test';
export const ADMIN_KEY = 'an-admin-key';

/** What the other services would say. */
export class Peers {
  /** Devices by user. */
  readonly devices = new Map<string, string[]>();
  readonly online = new Set<string>();
  /** By `user conversation`. */
  readonly muted = new Map<string, number>();
  sessionAway = false;
}

/** Handlers for the methods that are asked; any other refuses. */
const partly = <D extends Definition>(definition: D, handlers: Partial<Handlers<D>>): Handlers<D> => {
  const others = Object.keys(definition).map((name) => [name, () => Promise.reject(unavailable('UNUSED', name))]);
  return { ...(Object.fromEntries(others) as Handlers<D>), ...handlers };
};

/** Real gRPC servers in place of account, session and group; gives the environment that points at them. */
export const startPeers = async (peers: Peers, life: Lifecycle): Promise<Record<string, string>> => {
  const account = serve(
    AccountServiceService,
    partly(AccountServiceService, {
      getUserDevices: ({ userIds }) =>
        Promise.resolve({
          users: userIds.flatMap((userId) => {
            const deviceIds = peers.devices.get(userId);
            return deviceIds === undefined ? [] : [{ userId, deviceIds, registeredAtMs: deviceIds.map(() => 1) }];
          }),
        }),
      verifyApiKey: ({ apiKey }) => {
        const known = apiKey === ADMIN_KEY;
        return Promise.resolve({ apiKeyId: known ? 'k' : '', name: '', scopes: known ? ['admin'] : [] });
      },
    }),
  );
  const session = serve(
    SessionServiceService,
    partly(SessionServiceService, {
      lookup: ({ userIds }) => {
        if (peers.sessionAway) return Promise.reject(unavailable('AWAY', 'away'));
        const sessionOf = (deviceId: string) => {
          return { deviceId, edgeId: 'edge-0', edgeIncarnation: 'i', handle: 1, epoch: 1 };
        };
        const users = userIds.map((userId) => {
          const online = (peers.devices.get(userId) ?? []).filter((deviceId) => peers.online.has(deviceId));
          return { userId, sessions: online.map(sessionOf) };
        });
        return Promise.resolve({ users });
      },
    }),
  );
  const group = serve(
    GroupServiceService,
    partly(GroupServiceService, {
      getConversation: async function* ({ conversationId }) {
        yield { head: undefined, members: [] };
        const members = [...peers.devices.keys()].map((userId) => {
          const mutedUntilMs = peers.muted.get(`${userId} ${conversationId}`) ?? 0;
          return { userId, role: Role.ROLE_MEMBER, intervals: [], mutedUntilMs };
        });
        yield { head: undefined, members };
      },
    }),
  );
  const metrics = createMetrics({ service: 'peers', node: 'peer-0', processMetrics: false });
  const { port } = await startRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    services: [account, session, group],
    auth: { fleetToken: [FLEET_TOKEN] },
    metrics,
    life,
    reflection: false,
  });
  const address = `127.0.0.1:${String(port)}`;
  return {
    GODWIT_FLEET_TOKEN: FLEET_TOKEN,
    GODWIT_ACCOUNT_NODES: `account-0=${address}`,
    GODWIT_SESSION_NODES: `session-0=${address}`,
    GODWIT_GROUP_NODES: `group-0=${address}`,
  };
};
