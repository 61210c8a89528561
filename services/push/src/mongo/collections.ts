import { declareCollection } from '@godwit/mongo/collection';
import type { OutcomeName, ProviderName } from '../domain/model.js';

export interface TokenDocument {
  userId: string;
  deviceId: string;
  provider: ProviderName;
  token: string;
  updatedAt: number;
}

export interface OutcomeDocument {
  userId: string;
  deviceId: string;
  conversationId: string;
  seq: number;
  at: number;
  /** Empty: no provider was asked. */
  provider: ProviderName | '';
  outcome: OutcomeName;
  detail: string;
  purgeAt: Date;
}

export const pushTokens = declareCollection<TokenDocument>({
  name: 'push_tokens',
  shardKey: { userId: 1 },
  indexes: [{ key: { userId: 1, deviceId: 1, provider: 1 }, unique: true }],
});

export const pushOutcomes = declareCollection<OutcomeDocument>({
  name: 'push_outcomes',
  shardKey: { userId: 1 },
  indexes: [
    { key: { userId: 1, conversationId: 1, deviceId: 1, seq: 1, provider: 1 }, unique: true },
    { key: { userId: 1, at: -1 } },
    { key: { purgeAt: 1 }, expireAfterSeconds: 0 },
  ],
});

export const PUSH_COLLECTIONS = [pushTokens, pushOutcomes];
