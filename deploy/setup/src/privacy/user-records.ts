import {
  blocks,
  contacts,
  devices,
  imports,
  phones,
  sendHistories,
  userNames,
  users,
  type UserDocument,
} from '@godwit/account/mongo/collections';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { groups, userConversations } from '@godwit/group/mongo/collections';
import { deliveries, messages } from '@godwit/message-store/mongo/collections';
import type { DeclarationFields } from '@godwit/mongo/collection';
import { lastSeenCollection } from '@godwit/presence/mongo/last-seen';
import { EnvelopeSchema } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { pushOutcomes, pushTokens } from '@godwit/push/mongo/collections';
import type { Db, Document } from 'mongodb';

export interface UserRecord {
  readonly collection: string;
  readonly document: Document;
}

/** Fields that open something, or that only the fleet can read. */
const HIDDEN = { _id: 0, phoneKey: 0, token: 0, bodyHash: 0, by: 0 } as const;

/** Whose documents have the user they are of in `userId`, and are of nobody else. */
export const OF_USER: readonly DeclarationFields[] = [
  contacts,
  blocks,
  pushTokens,
  pushOutcomes,
  lastSeenCollection,
  devices,
];

/**
 * All that MongoDB has of a user and can find by the user, as it is stored, without secrets: the account, then what hangs on it, then
 * for each conversation (those that were left, too) its name, the user's marks and the messages that the user sent, with their
 * content as long as it is there.
 * @throws Error when there is no such user
 */
export async function* userRecords(db: Db, userId: string): AsyncGenerator<UserRecord> {
  const user = await users.in(db).findOne({ userId });
  if (user === null) throw new Error(`there is no user ${userId}`);
  yield* read(db, users, { userId });
  yield* claims(db, user);
  for await (const { _id: externalId, ...document } of imports.in(db).find({ userId })) {
    yield { collection: imports.name, document: { externalId, ...document } };
  }
  for (const declaration of OF_USER) yield* read(db, declaration, { userId });
  for await (const { conversationId } of userConversations.in(db).find({ userId }).sort({ conversationId: 1 })) {
    yield* read(db, userConversations, { userId, conversationId });
    yield* read(db, groups, { conversationId });
    yield* read(db, deliveries, { conversationId, userId });
    for await (const { collection, document } of read(db, messages, { conversationId, senderId: userId })) {
      yield { collection, document: readable(document) };
    }
  }
}

/** What is kept under the phone and under the name. */
async function* claims(db: Db, { phoneKey, userName }: UserDocument): AsyncGenerator<UserRecord> {
  if (phoneKey !== undefined) {
    yield* read(db, phones, { _id: phoneKey });
    yield* read(db, sendHistories, { _id: phoneKey });
  }
  if (userName === undefined) return;
  for await (const { collection, document } of read(db, userNames, { _id: userName })) {
    yield { collection, document: { name: userName, ...document } };
  }
}

async function* read(db: Db, { name }: DeclarationFields, filter: Document): AsyncGenerator<UserRecord> {
  const found = db.collection(name).find(filter, { projection: HIDDEN });
  for await (const document of found) yield { collection: name, document };
}

/** The envelope as clients of the JSON protocol get it. */
const readable = ({ envelope, ...document }: Document): Document =>
  envelope instanceof Uint8Array
    ? { ...document, envelope: toJson(EnvelopeSchema, fromBinary(EnvelopeSchema, envelope)) }
    : document;
