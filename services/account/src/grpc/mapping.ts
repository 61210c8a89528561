import {
  Audience,
  Platform,
  type Device as DeviceMessage,
  type ImportedUser,
  type Privacy as PrivacyMessage,
  type Profile,
  type Relation as RelationMessage,
  type Tokens as TokensMessage,
} from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { ImportResult } from '../domain/import-users.js';
import type * as model from '../domain/model.js';
import { invalid } from '../domain/refusal.js';
import type { Relation } from '../domain/relations.js';

// Between the wire's messages and the domain's types.

const PLATFORMS = {
  [Platform.PLATFORM_UNSPECIFIED]: 'unspecified',
  [Platform.PLATFORM_ANDROID]: 'android',
  [Platform.PLATFORM_IOS]: 'ios',
  [Platform.PLATFORM_WEB]: 'web',
  [Platform.PLATFORM_DESKTOP]: 'desktop',
} as const;

const PLATFORM_NUMBERS: Readonly<Record<model.Platform, Platform>> = {
  unspecified: Platform.PLATFORM_UNSPECIFIED,
  android: Platform.PLATFORM_ANDROID,
  ios: Platform.PLATFORM_IOS,
  web: Platform.PLATFORM_WEB,
  desktop: Platform.PLATFORM_DESKTOP,
  bot: Platform.PLATFORM_BOT,
};

const AUDIENCE_NUMBERS: Readonly<Record<model.Audience, Audience>> = {
  everyone: Audience.AUDIENCE_EVERYONE,
  contacts: Audience.AUDIENCE_CONTACTS,
  nobody: Audience.AUDIENCE_NOBODY,
};

const AUDIENCES: ReadonlyMap<number, model.Audience> = new Map([
  [Audience.AUDIENCE_EVERYONE, 'everyone'],
  [Audience.AUDIENCE_CONTACTS, 'contacts'],
  [Audience.AUDIENCE_NOBODY, 'nobody'],
]);

/** Bots are made by CreateBot only. */
export const readPlatform = (platform: number): model.Platform => {
  const known = (PLATFORMS as Readonly<Record<number, model.Platform | undefined>>)[platform];
  if (known === undefined) throw invalid('platform', 'must be ANDROID, IOS, WEB or DESKTOP');
  return known;
};

const readAudience = (audience: number, field: string): model.Audience | undefined => {
  if (audience === Audience.AUDIENCE_UNSPECIFIED) return undefined;
  const known = AUDIENCES.get(audience);
  if (known === undefined) throw invalid(field, 'must be EVERYONE, CONTACTS or NOBODY');
  return known;
};

/** What is unspecified stays out: unchanged. */
export const readPrivacy = (privacy: PrivacyMessage | undefined): Partial<model.Privacy> => {
  if (privacy === undefined) throw invalid('privacy', 'is required');
  const online = readAudience(privacy.online, 'privacy.online');
  const lastSeen = readAudience(privacy.lastSeen, 'privacy.last_seen');
  const readReceipts = readAudience(privacy.readReceipts, 'privacy.read_receipts');
  return {
    ...(online === undefined ? {} : { online }),
    ...(lastSeen === undefined ? {} : { lastSeen }),
    ...(readReceipts === undefined ? {} : { readReceipts }),
  };
};

export const privacyMessage = ({ online, lastSeen, readReceipts }: model.Privacy): PrivacyMessage => ({
  online: AUDIENCE_NUMBERS[online],
  lastSeen: AUDIENCE_NUMBERS[lastSeen],
  readReceipts: AUDIENCE_NUMBERS[readReceipts],
});

export const profileMessage = ({ userId, userName, displayName, pictureMediaId, about }: model.User): Profile => ({
  userId,
  userName: userName ?? '',
  displayName,
  pictureMediaId,
  about,
});

export const deviceMessage = ({ deviceId, name, platform, createdAt, lastUsedAt }: model.Device): DeviceMessage => ({
  deviceId,
  name,
  platform: PLATFORM_NUMBERS[platform],
  createdAtMs: createdAt,
  lastUsedAtMs: lastUsedAt,
});

export const tokensMessage = (tokens: model.Tokens): TokensMessage => ({
  accessToken: tokens.accessToken,
  accessExpiresAtMs: tokens.accessExpiresAt,
  refreshToken: tokens.refreshToken,
  refreshExpiresAtMs: tokens.refreshExpiresAt,
});

export const relationMessage = (relation: Relation | undefined): RelationMessage => ({
  ownerExists: relation !== undefined,
  blocked: relation?.blocked ?? false,
  contact: relation?.contact ?? false,
  privacy: relation === undefined ? undefined : privacyMessage(relation.privacy),
});

export const importedUserMessage = (result: ImportResult): ImportedUser =>
  'refusedReason' in result
    ? { externalId: result.externalId, userId: '', devices: [], refusedReason: result.refusedReason }
    : {
        externalId: result.externalId,
        userId: result.userId,
        devices: result.devices.map(({ deviceId, accessToken }) => ({ deviceId, accessToken })),
        refusedReason: '',
      };
