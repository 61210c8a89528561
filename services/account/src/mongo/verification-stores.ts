import { isDuplicateKey } from '@godwit/mongo/errors';
import type { Db, WithId } from 'mongodb';
import type { SendHistoryStore, Verification, VerificationStore } from '../domain/ports.js';
import { sendHistories, verifications, type VerificationDocument } from './collections.js';

const toVerification = ({ _id, expiresAt, ...rest }: WithId<VerificationDocument>): Verification => ({
  id: _id,
  phoneKey: rest.phoneKey,
  codeHash: rest.codeHash,
  expiresAt: expiresAt.getTime(),
  triesLeft: rest.triesLeft,
  usedAt: rest.usedAt,
  userId: rest.userId,
  deviceId: rest.deviceId,
  deviceName: rest.deviceName,
  platform: rest.platform,
  userName: rest.userName,
});

const toDocument = ({ id, expiresAt, usedAt, userName, ...rest }: Verification): VerificationDocument => ({
  _id: id,
  expiresAt: new Date(expiresAt),
  ...rest,
  ...(usedAt === undefined ? {} : { usedAt }),
  ...(userName === undefined ? {} : { userName }),
});

export const createVerificationStore = (db: Db): VerificationStore => {
  const collection = verifications.in(db);
  return {
    insert: async (verification) => {
      await collection.insertOne(toDocument(verification));
    },
    takeTry: async (id) => {
      const filter = { _id: id, triesLeft: { $gt: 0 } };
      const taken = await collection.findOneAndUpdate(filter, { $inc: { triesLeft: -1 } }, { returnDocument: 'after' });
      return taken === null ? undefined : toVerification(taken);
    },
    markUsed: async (id, at) => {
      await collection.updateOne({ _id: id, usedAt: { $exists: false } }, { $set: { usedAt: at } });
    },
    remove: async (id) => {
      await collection.deleteOne({ _id: id });
    },
  };
};

const HISTORY_KEPT_MS = 25 * 3_600_000;

export const createSendHistoryStore = (db: Db): SendHistoryStore => {
  const collection = sendHistories.in(db);
  return {
    find: async (phoneKey) => {
      const found = await collection.findOne({ _id: phoneKey });
      return found === null ? undefined : { history: { sentAt: found.sentAt }, revision: found.revision };
    },
    replace: async (phoneKey, { sentAt }, revision) => {
      const purgeAt = new Date((sentAt.at(-1) ?? Date.now()) + HISTORY_KEPT_MS);
      const fields = { sentAt: [...sentAt], purgeAt };
      if (revision !== undefined) {
        const update = { $set: fields, $inc: { revision: 1 } };
        return (await collection.updateOne({ _id: phoneKey, revision }, update)).matchedCount === 1;
      }
      try {
        await collection.insertOne({ _id: phoneKey, revision: 1, ...fields });
        return true;
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },
  };
};
