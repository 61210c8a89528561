import type { CollectionDeclaration } from '@godwit/mongo/collection';
import type { Clock } from '@godwit/runtime/clock';
import type { Collection, Db } from 'mongodb';
import type { Claim, NameClaims, PhoneClaims } from '../domain/ports.js';
import { phones, userNames, type ClaimDocument } from './collections.js';
import { insertMissing } from './insert-missing.js';

/** The first one to insert a key has it; everybody reads back whose it is. */
const claimAll =
  (collection: Collection<ClaimDocument>, clock: Clock) =>
  async (claims: readonly Claim[]): Promise<ReadonlyMap<string, string>> => {
    if (claims.length === 0) return new Map();
    const claimedAt = clock.now();
    const documents = claims.map(({ key, userId }) => ({ _id: key, userId, claimedAt }));
    if (await insertMissing(collection, documents)) return new Map(claims.map(({ key, userId }) => [key, userId]));
    const found = await collection.find({ _id: { $in: claims.map(({ key }) => key) } }).toArray();
    return new Map(found.map(({ _id, userId }) => [_id, userId]));
  };

const claimsIn = (declaration: CollectionDeclaration<ClaimDocument>, db: Db, clock: Clock) => {
  const collection = declaration.in(db);
  return { collection, claim: claimAll(collection, clock) };
};

export const createPhoneClaims = (db: Db, clock: Clock): PhoneClaims => {
  const { collection, claim } = claimsIn(phones, db, clock);
  return {
    claim,
    owner: async (phoneKey) => (await collection.findOne({ _id: phoneKey }))?.userId,
    release: async (claims) => {
      if (claims.length === 0) return;
      const writes = claims.map(({ key, userId }) => ({ deleteOne: { filter: { _id: key, userId } } }));
      await collection.bulkWrite(writes, { ordered: false });
    },
  };
};

export const createNameClaims = (db: Db, clock: Clock): NameClaims => {
  const { collection, claim } = claimsIn(userNames, db, clock);
  return {
    claim,
    find: async (name) => (await collection.findOne({ _id: name })) ?? undefined,
    takeOver: async (name, { userId, claimedAt }, newUserId) => {
      const renewed = { $set: { userId: newUserId, claimedAt: clock.now() } };
      return (await collection.updateOne({ _id: name, userId, claimedAt }, renewed)).matchedCount === 1;
    },
    release: async (name, userId) => {
      await collection.deleteOne({ _id: name, userId });
    },
  };
};
