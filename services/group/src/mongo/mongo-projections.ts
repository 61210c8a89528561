import type { Db } from 'mongodb';
import type { Mutes, Projections, UserConversations } from '../domain/ports.js';
import { groups, members, userConversations } from './collections.js';
import { headRaise, rowRaise, toHead, toStoredMember, toUserConversationRow } from './mapping.js';
import { raiseAll } from './raise.js';

// Rows are small; one round trip brings a group of 5,000.
const BATCH_SIZE = 5_000;
const ROW_FIELDS = { _id: 0, userId: 1, role: 1, intervals: 1, appliedSeq: 1, mutedUntil: 1 } as const;

export const mongoProjections = (db: Db): Projections => ({
  head: async (conversationId) => {
    const document = await groups.in(db).findOne({ conversationId });
    return document === null ? undefined : toHead(document);
  },
  members: async ({ conversationId, changedAfter, mutedAfter }) => {
    const changed =
      changedAfter > 0 ? { $or: [{ appliedSeq: { $gt: changedAfter } }, { mutedUntil: { $gt: mutedAfter } }] } : {};
    const cursor = members
      .in(db)
      .find({ conversationId, ...changed }, { projection: ROW_FIELDS, batchSize: BATCH_SIZE });
    return (await cursor.toArray()).map(toStoredMember);
  },
  raiseRows: async (conversationId, rows) => {
    const raises = rows.map((row) => rowRaise(conversationId, row));
    await Promise.all([raiseAll(members.in(db), raises), raiseAll(userConversations.in(db), raises)]);
  },
  raiseHead: async (head) => {
    await raiseAll(groups.in(db), [headRaise(head)]);
  },
});

export const mongoUserConversations = (db: Db): UserConversations => ({
  page: async ({ userId, after, limit, activeOnly }) => {
    const filter = {
      userId,
      ...(after === '' ? {} : { conversationId: { $gt: after } }),
      ...(activeOnly ? { 'intervals.to': 0 } : {}),
    };
    const cursor = userConversations.in(db).find(filter, { batchSize: limit }).sort({ conversationId: 1 }).limit(limit);
    return (await cursor.toArray()).map(toUserConversationRow);
  },
  ofUsers: async (userIds, limit) => {
    const cursor = userConversations
      .in(db)
      .find({ userId: { $in: [...userIds] } }, { batchSize: limit + 1 })
      .sort({ userId: 1, conversationId: 1 })
      .limit(limit);
    return (await cursor.toArray()).map((document) => ({
      ...toUserConversationRow(document),
      userId: document.userId,
    }));
  },
  heads: async (conversationIds) => {
    const documents = await groups
      .in(db)
      .find({ conversationId: { $in: [...conversationIds] } })
      .toArray();
    return new Map(documents.map((document) => [document.conversationId, toHead(document)]));
  },
});

export const mongoMutes = (db: Db): Mutes => ({
  set: async ({ conversationId, userId, until }) => {
    const key = { conversationId, userId };
    const mute = { $set: { mutedUntil: until } };
    const { matchedCount } = await members.in(db).updateOne(key, mute);
    if (matchedCount === 0) return false;
    await userConversations.in(db).updateOne(key, mute);
    // Last: who reads this version finds the row written.
    await groups.in(db).updateOne({ conversationId }, { $inc: { muteVersion: 1 } });
    return true;
  },
});
