export type Platform = 'unspecified' | 'android' | 'ios' | 'web' | 'desktop' | 'bot';
export type Audience = 'everyone' | 'contacts' | 'nobody';

/** The device that a call acts for. */
export interface Actor {
  readonly userId: string;
  readonly deviceId: string;
}

export interface Privacy {
  readonly online: Audience;
  readonly lastSeen: Audience;
  readonly readReceipts: Audience;
}

export const OPEN_PRIVACY: Privacy = { online: 'everyone', lastSeen: 'everyone', readReceipts: 'everyone' };

export interface User {
  readonly userId: string;
  readonly userName: string | undefined;
  readonly displayName: string;
  readonly pictureMediaId: string;
  readonly about: string;
  readonly privacy: Privacy;
}

export interface NewUser {
  readonly userId: string;
  readonly kind: 'person' | 'bot';
  readonly displayName: string;
  /** Keyed hash of the phone number. */
  readonly phoneKey?: string;
}

export type ProfileChanges = Partial<Pick<User, 'displayName' | 'pictureMediaId' | 'about'>>;

export interface Device {
  readonly deviceId: string;
  readonly name: string;
  readonly platform: Platform;
  readonly createdAt: number;
  readonly lastUsedAt: number;
}

export interface NewDevice {
  readonly userId: string;
  readonly deviceId: string;
  readonly name: string;
  readonly platform: Platform;
}

export interface Tokens {
  readonly accessToken: string;
  readonly accessExpiresAt: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: number;
}

export interface Contact {
  readonly userId: string;
  readonly displayName: string;
}

export const API_KEY_SCOPES = ['app', 'bots', 'import', 'messages', 'groups', 'admin'] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
}

/** A device may have this many siblings, itself included; signing in on one more removes the longest unused. */
export const MAX_DEVICES = 10;
export const MAX_CONTACTS = 10_000;
export const MAX_BLOCKS = 10_000;
