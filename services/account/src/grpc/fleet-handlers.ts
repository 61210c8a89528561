import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { Handlers } from '@godwit/rpc/server';
import type { ApiKeys } from '../domain/api-keys.js';
import { readId, readIds } from '../domain/fields.js';
import type { DeviceRegistry, UserDirectory } from '../domain/ports.js';
import { invalid } from '../domain/refusal.js';
import type { Relations } from '../domain/relations.js';
import type { Tickets } from '../domain/tickets.js';
import { relationMessage } from './mapping.js';

// What the other services ask.

export interface FleetCalls {
  readonly apiKeys: ApiKeys;
  readonly jwks: () => unknown;
  readonly tickets: Tickets;
  readonly users: UserDirectory;
  readonly devices: DeviceRegistry;
  readonly relations: Relations;
}

type FleetHandlers = Pick<
  Handlers<typeof AccountServiceService>,
  'verifyApiKey' | 'getJwks' | 'redeemTicket' | 'getUserDevices' | 'getRelations'
>;

const MAX_USERS = 1_000;
const MAX_RELATIONS = 500;

export const fleetHandlers = (calls: FleetCalls): FleetHandlers => ({
  verifyApiKey: async ({ apiKey }) => {
    const found = await calls.apiKeys.verify(apiKey);
    return { apiKeyId: found?.id ?? '', name: found?.name ?? '', scopes: [...(found?.scopes ?? [])] };
  },
  getJwks: () => Promise.resolve({ jwksJson: JSON.stringify(calls.jwks()) }),
  redeemTicket: async ({ ticket }) => {
    const redeemed = await calls.tickets.redeem(ticket);
    return {
      userId: redeemed?.userId ?? '',
      deviceId: redeemed?.deviceId ?? '',
      tokenExpiresAtMs: redeemed?.tokenExpiresAt ?? 0,
    };
  },
  getUserDevices: async ({ userIds }) => {
    const ids = readIds(userIds, 'user_ids', MAX_USERS);
    const [users, devices] = await Promise.all([calls.users.findMany(ids), calls.devices.listOf(ids)]);
    return {
      users: users.map(({ userId }) => {
        const standing = devices.get(userId) ?? [];
        return {
          userId,
          deviceIds: standing.map(({ deviceId }) => deviceId),
          registeredAtMs: standing.map(({ registeredAt }) => registeredAt),
        };
      }),
    };
  },
  getRelations: async ({ queries }) => {
    if (queries.length > MAX_RELATIONS) throw invalid('queries', `has more than ${String(MAX_RELATIONS)} entries`);
    const pairs = queries.map(({ ownerUserId, otherUserId }, index) => ({
      owner: readId(ownerUserId, `queries[${String(index)}].owner_user_id`),
      other: readId(otherUserId, `queries[${String(index)}].other_user_id`),
    }));
    return { relations: (await calls.relations.between(pairs)).map(relationMessage) };
  },
});
