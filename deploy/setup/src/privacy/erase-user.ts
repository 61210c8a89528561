import { devices, imports, phones, sendHistories, userNames, users } from '@godwit/account/mongo/collections';
import { userConversations } from '@godwit/group/mongo/collections';
import { GONE, KIND } from '@godwit/message-store/domain/message';
import { deliveries, messages } from '@godwit/message-store/mongo/collections';
import { connectMongo } from '@godwit/mongo/connect';
import type { Logger } from '@godwit/runtime/logger';
import type { Db } from 'mongodb';
import { OF_USER } from './user-records.js';

export interface ErasePlan {
  readonly mongoUrl: string;
  readonly namespace: string;
  readonly userId: string;
}

/** What the user has to do first, or somebody for the user through the services, which tell all others of it. */
export class NotReadyForErasure extends Error {
  override readonly name = 'NotReadyForErasure';
}

/** A membership change has no words of the sender's, and members are made from it. */
const WITH_CONTENT = { $ne: KIND.membership };

/**
 * Removes what is stored of a user whose devices are removed and who is in no group any more, while the fleet runs: content
 * that the user sent, marks, contacts, devices, tokens, last the account, so that the phone and the name are free again. Numbers
 * of messages stay taken, as after a delete. May be given again, after a crash and to be sure.
 * @throws NotReadyForErasure
 */
export const eraseUser = async ({ mongoUrl, namespace, userId }: ErasePlan, logger: Logger): Promise<void> => {
  const mongo = await connectMongo({ url: mongoUrl, database: namespace, appName: 'erase-user', logger });
  try {
    await requireNoDevices(mongo.db, userId);
    const conversationIds = await conversationsOf(mongo.db, userId);
    const removed: Record<string, number> = { messages: 0, deliveries: 0 };
    for (const conversationId of conversationIds) {
      removed['messages'] = (removed['messages'] ?? 0) + (await eraseMessages(mongo.db, conversationId, userId));
      const marks = await deliveries.in(mongo.db).deleteOne({ conversationId, userId });
      removed['deliveries'] = (removed['deliveries'] ?? 0) + marks.deletedCount;
    }
    for (const { name } of [imports, ...OF_USER]) {
      removed[name] = (await mongo.db.collection(name).deleteMany({ userId })).deletedCount;
    }
    removed[users.name] = await eraseAccount(mongo.db, userId);
    logger.info({ userId, conversations: conversationIds.length, removed }, 'erased');
  } finally {
    await mongo.close();
  }
};

const requireNoDevices = async (db: Db, userId: string): Promise<void> => {
  const standing = await devices
    .in(db)
    .find({ userId, removedAt: { $exists: false } })
    .toArray();
  if (standing.length === 0) return;
  const ids = standing.map(({ deviceId }) => deviceId).join(', ');
  throw new NotReadyForErasure(`these devices are signed in and must be removed first: ${ids}`);
};

const conversationsOf = async (db: Db, userId: string): Promise<string[]> => {
  const found = await userConversations.in(db).find({ userId }).toArray();
  const groupsNow = found.filter(({ conversationId, intervals }) => {
    return conversationId.startsWith('g:') && intervals.some(({ to }) => to === 0);
  });
  if (groupsNow.length > 0) {
    const ids = groupsNow.map(({ conversationId }) => conversationId).join(', ');
    throw new NotReadyForErasure(`these groups must be left first: ${ids}`);
  }
  return found.map(({ conversationId }) => conversationId);
};

/** As the store ends a deleted message: the document stays, without its content. */
const eraseMessages = async (db: Db, conversationId: string, userId: string): Promise<number> => {
  const { modifiedCount } = await messages
    .in(db)
    .updateMany(
      { conversationId, senderId: userId, kind: WITH_CONTENT, envelope: { $exists: true } },
      { $set: { goneReason: GONE.deleted }, $unset: { envelope: true, earlyExpiry: true, mediaIds: true } },
    );
  return modifiedCount;
};

/** The row of the user goes last: it knows under which keys the others are. */
const eraseAccount = async (db: Db, userId: string): Promise<number> => {
  const user = await users.in(db).findOne({ userId });
  if (user === null) return 0;
  if (user.phoneKey !== undefined) {
    await sendHistories.in(db).deleteOne({ _id: user.phoneKey });
    await phones.in(db).deleteOne({ _id: user.phoneKey, userId });
  }
  if (user.userName !== undefined) await userNames.in(db).deleteOne({ _id: user.userName, userId });
  return (await users.in(db).deleteOne({ userId })).deletedCount;
};
