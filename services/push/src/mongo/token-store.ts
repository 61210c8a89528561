import type { Clock } from '@godwit/runtime/clock';
import type { Db } from 'mongodb';
import { Gatherer } from '@godwit/runtime/gatherer';
import type { PushToken } from '../domain/model.js';
import type { PushTokens } from '../domain/ports.js';
import { pushTokens } from './collections.js';

const USERS_PER_QUERY = 256;

export const createTokenStore = (db: Db, clock: Clock): PushTokens => {
  const collection = pushTokens.in(db);
  // Wakes of a group come by the thousand: one query for some hundred of their users.
  const lists = new Gatherer<string, readonly PushToken[]>({
    name: 'push tokens',
    maxQuestions: USERS_PER_QUERY,
    ask: async (userIds) => {
      const tokens = new Map<string, PushToken[]>();
      for (const userId of userIds) tokens.set(userId, []);
      for await (const document of collection.find({ userId: { $in: [...tokens.keys()] } })) {
        const { userId, deviceId, provider, token } = document;
        tokens.get(userId)?.push({ userId, deviceId, provider, token });
      }
      return userIds.map((userId) => tokens.get(userId) ?? []);
    },
  });
  return {
    put: async ({ userId, deviceId, provider, token }) => {
      const update = { $set: { token, updatedAt: clock.now() } };
      await collection.updateOne({ userId, deviceId, provider }, update, { upsert: true });
    },
    remove: async (userId, deviceId, provider) => {
      await collection.deleteOne({ userId, deviceId, provider });
    },
    prune: async ({ userId, deviceId, provider, token }) => {
      await collection.deleteOne({ userId, deviceId, provider, token });
    },
    removeDevices: async (userId, deviceIds) => {
      await collection.deleteMany({ userId, deviceId: { $in: [...deviceIds] } });
    },
    list: (userId) => lists.ask(userId),
  };
};
