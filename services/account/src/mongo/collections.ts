import { declareCollection } from '@godwit/mongo/collection';
import type { Audience, Platform } from '../domain/model.js';

// What is stored, and how it is sharded: by user, or by the key that is looked up. Dates are dates only where a TTL index
// looks at them; all else is in ms since 1970.

export interface UserDocument {
  userId: string;
  kind: 'person' | 'bot';
  userName?: string;
  displayName: string;
  pictureMediaId: string;
  about: string;
  privacy: { online?: Audience; lastSeen?: Audience; readReceipts?: Audience };
  phoneKey?: string;
  createdAt: number;
}

export interface DeviceDocument {
  userId: string;
  deviceId: string;
  name: string;
  platform: Platform;
  createdAt: number;
  lastUsedAt: number;
  removedAt?: number;
  purgeAt?: Date;
}

export interface ContactDocument {
  userId: string;
  contactId: string;
  displayName: string;
  createdAt: number;
}

export interface BlockDocument {
  userId: string;
  blockedId: string;
  createdAt: number;
}

/** `_id`: the phone's keyed hash, or the user name. */
export interface ClaimDocument {
  _id: string;
  userId: string;
  claimedAt: number;
}

export interface ApiKeyDocument {
  _id: string;
  name: string;
  scopes: string[];
  secretHash: string;
  createdAt: number;
  revokedAt?: number;
}

/** `_id`: hash of the token. */
export interface RefreshTokenDocument {
  _id: string;
  userId: string;
  deviceId: string;
  expiresAt: Date;
  usedAt?: number;
  salt?: string;
  successorHash?: string;
  voidedAt?: number;
}

export interface VerificationDocument {
  _id: string;
  phoneKey: string;
  codeHash: string;
  expiresAt: Date;
  triesLeft: number;
  usedAt?: number;
  userId: string;
  deviceId: string;
  deviceName: string;
  platform: Platform;
  userName?: string;
}

/** `_id`: the phone's keyed hash. */
export interface SendHistoryDocument {
  _id: string;
  sentAt: number[];
  revision: number;
  purgeAt: Date;
}

/** `_id`: hash of the ticket. */
export interface TicketDocument {
  _id: string;
  userId: string;
  deviceId: string;
  expiresAt: Date;
  tokenExpiresAt: number;
}

/** `_id`: the generation, so that of two replicas one makes it. */
export interface SigningKeyDocument {
  _id: number;
  kid: string;
  activeFrom: number;
  sealedPrivateKey: Buffer;
}

/** `_id`: the external id. */
export interface ImportDocument {
  _id: string;
  userId: string;
  deviceIds: string[];
}

const BY_ID = { _id: 1 } as const;
const BY_USER = { userId: 1 } as const;
const expires = (field: string) => ({ key: { [field]: 1 } as const, expireAfterSeconds: 0 });

export const users = declareCollection<UserDocument>({
  name: 'users',
  shardKey: BY_USER,
  indexes: [{ key: { userId: 1 }, unique: true }],
});

export const devices = declareCollection<DeviceDocument>({
  name: 'devices',
  shardKey: BY_USER,
  indexes: [{ key: { userId: 1, deviceId: 1 }, unique: true }, expires('purgeAt')],
});

export const contacts = declareCollection<ContactDocument>({
  name: 'contacts',
  shardKey: BY_USER,
  indexes: [{ key: { userId: 1, contactId: 1 }, unique: true }],
});

export const blocks = declareCollection<BlockDocument>({
  name: 'blocks',
  shardKey: BY_USER,
  indexes: [{ key: { userId: 1, blockedId: 1 }, unique: true }],
});

export const phones = declareCollection<ClaimDocument>({ name: 'phones', shardKey: BY_ID, indexes: [] });
export const userNames = declareCollection<ClaimDocument>({ name: 'usernames', shardKey: BY_ID, indexes: [] });
export const apiKeys = declareCollection<ApiKeyDocument>({ name: 'api_keys', shardKey: BY_ID, indexes: [] });

export const refreshTokens = declareCollection<RefreshTokenDocument>({
  name: 'refresh_tokens',
  shardKey: BY_ID,
  indexes: [expires('expiresAt')],
});

export const verifications = declareCollection<VerificationDocument>({
  name: 'verifications',
  shardKey: BY_ID,
  indexes: [expires('expiresAt')],
});

export const sendHistories = declareCollection<SendHistoryDocument>({
  name: 'verification_sends',
  shardKey: BY_ID,
  indexes: [expires('purgeAt')],
});

export const tickets = declareCollection<TicketDocument>({
  name: 'tickets',
  shardKey: BY_ID,
  indexes: [expires('expiresAt')],
});

/** A handful of rows, read as a whole: not sharded. */
export const signingKeys = declareCollection<SigningKeyDocument>({
  name: 'signing_keys',
  shardKey: BY_ID,
  indexes: [],
});

export const imports = declareCollection<ImportDocument>({
  name: 'imports',
  shardKey: BY_ID,
  // For requests of users (deploy/setup); imports themselves know the external id.
  indexes: [{ key: BY_USER }],
});

export const ACCOUNT_COLLECTIONS = [
  users,
  devices,
  contacts,
  blocks,
  phones,
  userNames,
  apiKeys,
  refreshTokens,
  verifications,
  sendHistories,
  tickets,
  signingKeys,
  imports,
];
