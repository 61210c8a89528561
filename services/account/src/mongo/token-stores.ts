import type { Db, WithId } from 'mongodb';
import type {
  NewRefreshToken,
  RefreshTokenRecord,
  RefreshTokenStore,
  RefreshTokenUse,
  TicketStore,
} from '../domain/ports.js';
import { refreshTokens, tickets, type RefreshTokenDocument } from './collections.js';
import { insertMissing } from './insert-missing.js';

const useOf = ({ usedAt, salt, successorHash }: RefreshTokenDocument): RefreshTokenUse | undefined =>
  usedAt === undefined || salt === undefined || successorHash === undefined
    ? undefined
    : { at: usedAt, salt, successorHash };

const toRecord = (document: WithId<RefreshTokenDocument>): RefreshTokenRecord => ({
  hash: document._id,
  userId: document.userId,
  deviceId: document.deviceId,
  expiresAt: document.expiresAt.getTime(),
  use: useOf(document),
  voided: document.voidedAt !== undefined,
});

const toDocument = ({ hash, userId, deviceId, expiresAt }: NewRefreshToken): RefreshTokenDocument => ({
  _id: hash,
  userId,
  deviceId,
  expiresAt: new Date(expiresAt),
});

export const createRefreshTokenStore = (db: Db): RefreshTokenStore => {
  const collection = refreshTokens.in(db);
  return {
    insert: async (tokens) => {
      await insertMissing(collection, tokens.map(toDocument));
    },
    find: async (hash) => {
      const document = await collection.findOne({ _id: hash });
      return document === null ? undefined : toRecord(document);
    },
    use: async (hash, from, { at, salt, successorHash }) => {
      const before =
        from === undefined ? { usedAt: { $exists: false } } : { usedAt: from.at, successorHash: from.successorHash };
      const update = { $set: { usedAt: at, salt, successorHash } };
      const filter = { _id: hash, ...before, voidedAt: { $exists: false } };
      return (await collection.updateOne(filter, update)).matchedCount === 1;
    },
    void: async (hash) => {
      const filter = { _id: hash, usedAt: { $exists: false } };
      const voided = await collection.updateOne(filter, { $set: { voidedAt: Date.now() } });
      // One that was never written (a crash came first) can't have been seen by anybody either.
      return voided.matchedCount === 1 || (await collection.findOne({ _id: hash })) === null;
    },
  };
};

export const createTicketStore = (db: Db): TicketStore => {
  const collection = tickets.in(db);
  return {
    insert: async ({ hash, expiresAt, ...ticket }) => {
      await collection.insertOne({ _id: hash, expiresAt: new Date(expiresAt), ...ticket });
    },
    take: async (hash) => {
      const document = await collection.findOneAndDelete({ _id: hash });
      if (document === null) return undefined;
      const { userId, deviceId, tokenExpiresAt } = document;
      return { hash, userId, deviceId, tokenExpiresAt, expiresAt: document.expiresAt.getTime() };
    },
  };
};
