import type { AccountServiceService, ImportUsersRequest } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { Handlers } from '@godwit/rpc/server';
import { readScopes, type ApiKeys } from '../domain/api-keys.js';
import type { CreateBot } from '../domain/create-bot.js';
import { readDisplayName, readExternalId, readOptionalUserName, readPhone, readUserName } from '../domain/fields.js';
import type { ImportEntry, ImportRequest, ImportUsers } from '../domain/import-users.js';
import { MAX_DEVICES } from '../domain/model.js';
import { invalid } from '../domain/refusal.js';
import { importedUserMessage, profileMessage, tokensMessage } from './mapping.js';

// The calls of internal teams and operators, by API key.

export interface TeamCalls {
  readonly apiKeys: ApiKeys;
  readonly createBot: CreateBot;
  readonly importUsers: ImportUsers;
}

type TeamHandlers = Pick<
  Handlers<typeof AccountServiceService>,
  'createBot' | 'importUsers' | 'createApiKey' | 'revokeApiKey'
>;

/** The scope that an API key needs for each of them, and for the one call of a user that operators do too. */
export const TEAM_SCOPES = {
  createBot: 'bots',
  importUsers: 'import',
  createApiKey: 'admin',
  revokeApiKey: 'admin',
  removeDevice: 'admin',
} as const;

const IMPORT_MAX = 1_000;
const TOKEN_SECONDS = { min: 60, max: 24 * 3_600, fallback: 15 * 60 };
const KEY_ID_PATTERN = /^[a-z2-7]{26}$/;

const readImport = ({ users, devicesPerUser, tokenValidSeconds }: ImportUsersRequest): ImportRequest => {
  if (users.length === 0 || users.length > IMPORT_MAX) throw invalid('users', `must be 1 to ${String(IMPORT_MAX)}`);
  if (devicesPerUser < 1 || devicesPerUser > MAX_DEVICES) {
    throw invalid('devices_per_user', `must be 1 to ${String(MAX_DEVICES)}`);
  }
  const seconds = tokenValidSeconds === 0 ? TOKEN_SECONDS.fallback : tokenValidSeconds;
  if (seconds < TOKEN_SECONDS.min || seconds > TOKEN_SECONDS.max) {
    throw invalid('token_valid_seconds', `must be ${String(TOKEN_SECONDS.min)} to ${String(TOKEN_SECONDS.max)}, or 0`);
  }
  return { entries: readEntries(users), devicesPerUser, tokenValidMs: seconds * 1_000 };
};

const readEntries = (users: ImportUsersRequest['users']): readonly ImportEntry[] => {
  const seen = new Set<string>();
  return users.map(({ externalId, phone, userName, displayName }, index) => {
    const at = `users[${String(index)}]`;
    const id = readExternalId(externalId, `${at}.external_id`);
    if (seen.has(id)) throw invalid(`${at}.external_id`, 'is there twice');
    seen.add(id);
    return {
      externalId: id,
      phone: phone === '' ? undefined : readPhone(phone, `${at}.phone`),
      userName: readOptionalUserName(userName, `${at}.user_name`),
      displayName: readDisplayName(displayName, `${at}.display_name`),
    };
  });
};

export const teamHandlers = ({ apiKeys, createBot, importUsers }: TeamCalls): TeamHandlers => ({
  createBot: async ({ userName, displayName }) => {
    const bot = await createBot(readUserName(userName, 'user_name'), readDisplayName(displayName, 'display_name'));
    return { profile: profileMessage(bot.user), deviceId: bot.deviceId, tokens: tokensMessage(bot.tokens) };
  },
  importUsers: async (request) => ({ users: (await importUsers(readImport(request))).map(importedUserMessage) }),
  createApiKey: async ({ name, scopes }) => {
    const readName = readDisplayName(name, 'name');
    if (readName === '') throw invalid('name', 'is required');
    const { id, key } = await apiKeys.create(readName, readScopes(scopes));
    return { apiKey: key, apiKeyId: id };
  },
  revokeApiKey: async ({ apiKeyId }) => {
    if (!KEY_ID_PATTERN.test(apiKeyId)) throw invalid('api_key_id', 'must be the id of an API key');
    await apiKeys.revoke(apiKeyId);
    return {};
  },
});
