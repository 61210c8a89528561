import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { ApiKeyOwner } from './authenticate.js';
import type { NodePool } from './node-pool.js';

// A revoked key works for this long where it was used before.
const REMEMBERED_MS = 30_000;
// Keys that don't exist are remembered shorter, so that a new one that was tried too early works soon.
const UNKNOWN_REMEMBERED_MS = 5_000;
const MAX_REMEMBERED = 10_000;
/** Longer than any key there is. */
const MAX_KEY_LENGTH = 256;
const CALL = { deadlineMs: 2_000, idempotent: true } as const;

interface Answer {
  readonly owner: ApiKeyOwner | undefined;
}

/**
 * Asks account whose an API key is, and remembers the answer for 30 s; callers with the same key share a question.
 * What is remembered is the key's hash.
 */
export const accountApiKeyVerifier = (
  account: NodePool<AccountServiceService>,
): ((key: string) => Promise<ApiKeyOwner | undefined>) => {
  const answers = new LRUCache<string, Answer, string>({
    max: MAX_REMEMBERED,
    ttl: REMEMBERED_MS,
    fetchMethod: async (_hash, _stale, { context: apiKey, options }) => {
      const { apiKeyId, scopes } = await account.callAny('verifyApiKey', { apiKey }, CALL);
      if (apiKeyId !== '') return { owner: { callerId: apiKeyId, scopes } };
      options.ttl = UNKNOWN_REMEMBERED_MS;
      return { owner: undefined };
    },
  });
  return async (key) => {
    if (key.length > MAX_KEY_LENGTH) return undefined;
    const answer = await answers.fetch(createHash('sha256').update(key).digest('base64'), { context: key });
    return answer?.owner;
  };
};
