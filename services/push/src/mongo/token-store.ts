import type { Clock } from '@godwit/runtime/clock';
import type { Db } from 'mongodb';
import type { PushTokens } from '../domain/ports.js';
import { pushTokens } from './collections.js';

export const createTokenStore = (db: Db, clock: Clock): PushTokens => {
  const collection = pushTokens.in(db);
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
    list: async (userId) => {
      const found = await collection.find({ userId }).toArray();
      return found.map(({ deviceId, provider, token }) => ({ userId, deviceId, provider, token }));
    },
  };
};
