import { isDuplicateKey } from '@godwit/mongo/errors';
import type { Clock } from '@godwit/runtime/clock';
import type { Db } from 'mongodb';
import type { SigningKeyStore } from '../crypto/signing-keys.js';
import { API_KEY_SCOPES } from '../domain/model.js';
import type { ApiKeyStore, ImportLedger } from '../domain/ports.js';
import { apiKeys, imports, signingKeys } from './collections.js';
import { insertMissing } from './insert-missing.js';

export const createApiKeyStore = (db: Db, clock: Clock): ApiKeyStore => {
  const collection = apiKeys.in(db);
  return {
    insert: async ({ id, name, scopes, secretHash }) => {
      await collection.insertOne({ _id: id, name, scopes: [...scopes], secretHash, createdAt: clock.now() });
    },
    find: async (id) => {
      const found = await collection.findOne({ _id: id, revokedAt: { $exists: false } });
      if (found === null) return undefined;
      const scopes = API_KEY_SCOPES.filter((scope) => found.scopes.includes(scope));
      return { id, name: found.name, secretHash: found.secretHash, scopes };
    },
    revoke: async (id) => {
      const now = clock.now();
      // Revoked again, the first time stands.
      return (await collection.updateOne({ _id: id }, { $min: { revokedAt: now } })).matchedCount === 1;
    },
  };
};

export const createSigningKeyStore = (db: Db): SigningKeyStore => {
  const collection = signingKeys.in(db);
  return {
    list: async () => {
      const found = await collection.find({}, { sort: { _id: 1 } }).toArray();
      return found.map(({ _id, kid, activeFrom, sealedPrivateKey }) => {
        return { generation: _id, kid, activeFrom, sealedPrivateKey };
      });
    },
    insert: async ({ generation, kid, activeFrom, sealedPrivateKey }) => {
      try {
        await collection.insertOne({ _id: generation, kid, activeFrom, sealedPrivateKey });
        return true;
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },
    reseal: async ({ generation, sealedPrivateKey: before }, sealedPrivateKey) => {
      await collection.updateOne({ _id: generation, sealedPrivateKey: before }, { $set: { sealedPrivateKey } });
    },
  };
};

export const createImportLedger = (db: Db): ImportLedger => {
  const collection = imports.in(db);
  return {
    claim: async (rows) => {
      const documents = rows.map(({ externalId, userId, deviceIds }) => {
        return { _id: externalId, userId, deviceIds: [...deviceIds] };
      });
      if (await insertMissing(collection, documents)) return new Map(rows.map((row) => [row.externalId, row]));
      const found = await collection.find({ _id: { $in: rows.map(({ externalId }) => externalId) } }).toArray();
      return new Map(found.map(({ _id, userId, deviceIds }) => [_id, { externalId: _id, userId, deviceIds }]));
    },
  };
};
