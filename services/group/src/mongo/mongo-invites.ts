import type { Db } from 'mongodb';
import type { Invites } from '../domain/ports.js';
import { invites } from './collections.js';
import { toInvite, toInviteDocument } from './mapping.js';

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
  countJoin: async (inviteId, now) => {
    const usable = {
      _id: inviteId,
      revoked: false,
      expiresAt: { $gt: new Date(now) },
      $or: [{ maxJoins: 0 }, { $expr: { $lt: ['$joins', '$maxJoins'] } }],
    };
    const { modifiedCount } = await invites.in(db).updateOne(usable, { $inc: { joins: 1 } });
    return modifiedCount === 1;
  },
  uncountJoin: async (inviteId) => {
    await invites.in(db).updateOne({ _id: inviteId, joins: { $gt: 0 } }, { $inc: { joins: -1 } });
  },
});
