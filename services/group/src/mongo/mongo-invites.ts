import type { Db } from 'mongodb';
import type { Invites } from '../domain/ports.js';
import { invites } from './collections.js';
import { toInvite, toInviteDocument } from './mapping.js';

/** The last who came by an invite: one of them who asks again, not having heard the answer, is not counted twice. */
const JOINERS_REMEMBERED = 200;

export const mongoInvites = (db: Db): Invites => ({
  insert: async (invite) => {
    await invites.in(db).insertOne(toInviteDocument(invite));
  },
  find: async (inviteId) => {
    const document = await invites.in(db).findOne({ _id: inviteId });
    return document === null ? undefined : toInvite(document);
  },
  revoke: async (inviteId) => {
    await invites.in(db).updateOne({ _id: inviteId }, { $set: { revoked: true } });
  },
  countJoin: async ({ inviteId, userId, now }) => {
    const valid = { _id: inviteId, revoked: false, expiresAt: { $gt: new Date(now) } };
    const { modifiedCount } = await invites
      .in(db)
      .updateOne(
        { ...valid, joiners: { $ne: userId }, $or: [{ maxJoins: 0 }, { $expr: { $lt: ['$joins', '$maxJoins'] } }] },
        { $inc: { joins: 1 }, $push: { joiners: { $each: [userId], $slice: -JOINERS_REMEMBERED } } },
      );
    if (modifiedCount === 1) return true;
    return (await invites.in(db).findOne({ ...valid, joiners: userId })) !== null;
  },
  uncountJoin: async ({ inviteId, userId }) => {
    await invites
      .in(db)
      .updateOne({ _id: inviteId, joiners: userId }, { $inc: { joins: -1 }, $pull: { joiners: userId } });
  },
});
