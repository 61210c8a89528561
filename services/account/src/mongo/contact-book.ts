import type { Clock } from '@godwit/runtime/clock';
import type { Db } from 'mongodb';
import type { BlockList, ContactBook } from '../domain/ports.js';
import { blocks, contacts } from './collections.js';

export const createContactBook = (db: Db, clock: Clock): ContactBook => {
  const collection = contacts.in(db);
  return {
    put: async (userId, { userId: contactId, displayName }) => {
      const update = { $set: { displayName }, $setOnInsert: { createdAt: clock.now() } };
      await collection.updateOne({ userId, contactId }, update, { upsert: true });
    },
    remove: async (userId, contactId) => (await collection.deleteOne({ userId, contactId })).deletedCount === 1,
    list: async (userId, { size, after = '' }) => {
      const found = collection.find({ userId, contactId: { $gt: after } }, { sort: { contactId: 1 }, limit: size });
      return (await found.toArray()).map(({ contactId, displayName }) => ({ userId: contactId, displayName }));
    },
    count: (userId, limit) => collection.countDocuments({ userId }, { limit }),
    among: async (owners, others) => {
      const filter = { userId: { $in: [...owners] }, contactId: { $in: [...others] } };
      const found = await collection.find(filter, { projection: { _id: 0, userId: 1, contactId: 1 } }).toArray();
      return found.map(({ userId, contactId }) => ({ owner: userId, other: contactId }));
    },
  };
};

export const createBlockList = (db: Db, clock: Clock): BlockList => {
  const collection = blocks.in(db);
  return {
    put: async (userId, blockedId) => {
      const update = { $setOnInsert: { createdAt: clock.now() } };
      await collection.updateOne({ userId, blockedId }, update, { upsert: true });
    },
    remove: async (userId, blockedId) => (await collection.deleteOne({ userId, blockedId })).deletedCount === 1,
    list: async (userId, { size, after = '' }) => {
      const found = collection.find({ userId, blockedId: { $gt: after } }, { sort: { blockedId: 1 }, limit: size });
      return (await found.toArray()).map(({ blockedId }) => blockedId);
    },
    count: (userId, limit) => collection.countDocuments({ userId }, { limit }),
    among: async (owners, others) => {
      const filter = { userId: { $in: [...owners] }, blockedId: { $in: [...others] } };
      const found = await collection.find(filter, { projection: { _id: 0, userId: 1, blockedId: 1 } }).toArray();
      return found.map(({ userId, blockedId }) => ({ owner: userId, other: blockedId }));
    },
  };
};
