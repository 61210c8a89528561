import type { Clock } from '@godwit/runtime/clock';
import type { Db } from 'mongodb';
import type { DeviceRegistry, StandingDevice } from '../domain/ports.js';
import { devices } from './collections.js';
import { insertMissing } from './insert-missing.js';

// A removed device is kept as long as a token of it could come back, to tell it from one that never was.
const REMOVED_KEPT_MS = 61 * 24 * 3_600_000;

const STANDING = { removedAt: { $exists: false } };

export const createDeviceRegistry = (db: Db, clock: Clock): DeviceRegistry => {
  const collection = devices.in(db);
  return {
    ensure: async (newDevices) => {
      const now = clock.now();
      await insertMissing(
        collection,
        newDevices.map((device) => ({ ...device, createdAt: now, lastUsedAt: now })),
      );
    },
    list: async (userId) => {
      const found = await collection.find({ userId, ...STANDING }, { sort: { createdAt: 1 } }).toArray();
      return found.map(({ deviceId, name, platform, createdAt, lastUsedAt }) => {
        return { deviceId, name, platform, createdAt, lastUsedAt };
      });
    },
    listOf: async (userIds) => {
      const standing = new Map<string, StandingDevice[]>();
      if (userIds.length === 0) return standing;
      const projection = { _id: 0, userId: 1, deviceId: 1, createdAt: 1 };
      for await (const { userId, deviceId, createdAt } of collection.find(
        { userId: { $in: [...userIds] }, ...STANDING },
        { projection, batchSize: 5_000 },
      )) {
        const device = { deviceId, registeredAt: createdAt };
        const known = standing.get(userId);
        if (known === undefined) standing.set(userId, [device]);
        else known.push(device);
      }
      return standing;
    },
    stands: async (userId, deviceId) =>
      (await collection.findOne({ userId, deviceId, ...STANDING }, { projection: { _id: 1 } })) !== null,
    remove: async (userId, deviceId) => {
      const now = clock.now();
      const removed = { removedAt: now, purgeAt: new Date(now + REMOVED_KEPT_MS) };
      const { matchedCount } = await collection.updateOne({ userId, deviceId, ...STANDING }, { $set: removed });
      if (matchedCount === 1) return 'removed';
      return (await collection.findOne({ userId, deviceId }, { projection: { _id: 1 } })) === null
        ? 'unknown'
        : 'gone_before';
    },
    touch: async (userId, deviceId) => {
      await collection.updateOne({ userId, deviceId, ...STANDING }, { $max: { lastUsedAt: clock.now() } });
    },
  };
};
