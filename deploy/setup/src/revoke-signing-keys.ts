import { signingKeys } from '@godwit/account/mongo/collections';
import { connectMongo } from '@godwit/mongo/connect';
import type { Logger } from '@godwit/runtime/logger';

export interface RevocationPlan {
  readonly mongoUrl: string;
  readonly namespace: string;
}

/**
 * Removes all keys that sign access tokens, as after one has leaked. Account makes a new one when it starts again, and edges
 * know the old ones until they start again, too (docs/runbooks/rotate-secrets.md).
 */
export const revokeSigningKeys = async ({ mongoUrl, namespace }: RevocationPlan, logger: Logger): Promise<void> => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'revoke-signing-keys', logger });
  try {
    const { deletedCount } = await signingKeys.in(mongo.db).deleteMany({});
    logger.info({ removed: deletedCount }, 'the signing keys are removed; start account and the edges again');
  } finally {
    await mongo.close();
  }
};
