import type { Clock } from '@godwit/runtime/clock';
import type { Db, WithId } from 'mongodb';
import { OPEN_PRIVACY, type NewUser, type User } from '../domain/model.js';
import type { UserDirectory } from '../domain/ports.js';
import { users, type UserDocument } from './collections.js';
import { insertMissing } from './insert-missing.js';

const toUser = (document: WithId<UserDocument>): User => ({
  userId: document.userId,
  userName: document.userName,
  displayName: document.displayName,
  pictureMediaId: document.pictureMediaId,
  about: document.about,
  privacy: { ...OPEN_PRIVACY, ...document.privacy },
});

const toDocument = ({ userId, kind, displayName, phoneKey }: NewUser, createdAt: number): UserDocument => ({
  userId,
  kind,
  displayName,
  pictureMediaId: '',
  about: '',
  privacy: {},
  ...(phoneKey === undefined ? {} : { phoneKey }),
  createdAt,
});

const defined = <V>(fields: Readonly<Record<string, V | undefined>>): Record<string, V> =>
  Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));

export const createUserDirectory = (db: Db, clock: Clock): UserDirectory => {
  const collection = users.in(db);
  return {
    find: async (userId) => {
      const document = await collection.findOne({ userId });
      return document === null ? undefined : toUser(document);
    },
    findMany: async (userIds) => {
      if (userIds.length === 0) return [];
      return (await collection.find({ userId: { $in: [...userIds] } }).toArray()).map(toUser);
    },
    ensure: async (newUsers) => {
      const now = clock.now();
      await insertMissing(
        collection,
        newUsers.map((user) => toDocument(user, now)),
      );
    },
    updateProfile: async (userId, changes) => {
      await collection.updateOne({ userId }, { $set: { ...changes } });
    },
    updatePrivacy: async (userId, changes) => {
      const { online, lastSeen, readReceipts } = changes;
      await collection.updateOne(
        { userId },
        {
          $set: defined({
            'privacy.online': online,
            'privacy.lastSeen': lastSeen,
            'privacy.readReceipts': readReceipts,
          }),
        },
      );
    },
    setUserName: async (userId, userName) => {
      await collection.updateOne(
        { userId },
        userName === undefined ? { $unset: { userName: '' } } : { $set: { userName } },
      );
    },
    setUserNames: async (names) => {
      if (names.size === 0) return;
      const writes = [...names].map(([userId, userName]) => ({
        updateOne: { filter: { userId, userName: { $exists: false } }, update: { $set: { userName } } },
      }));
      await collection.bulkWrite(writes, { ordered: false });
    },
  };
};
