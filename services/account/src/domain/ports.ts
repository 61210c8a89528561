import type { ApiKey, Contact, Device, NewDevice, NewUser, Privacy, ProfileChanges, User } from './model.js';
import type { SendHistory } from './send-limits.js';

// What the rules need from outside. Every write is acknowledged by a majority before it returns.

export interface UserDirectory {
  find(userId: string): Promise<User | undefined>;
  findMany(userIds: readonly string[]): Promise<readonly User[]>;
  /** Makes the users that do not exist; leaves those that do alone. */
  ensure(users: readonly NewUser[]): Promise<void>;
  updateProfile(userId: string, changes: ProfileChanges): Promise<void>;
  updatePrivacy(userId: string, changes: Partial<Privacy>): Promise<void>;
  setUserName(userId: string, userName: string | undefined): Promise<void>;
  /** By user id; who has a name keeps it. */
  setUserNames(names: ReadonlyMap<string, string>): Promise<void>;
}

export interface Claim {
  readonly key: string;
  readonly userId: string;
}

/** Phone numbers (by their keyed hash): each is one user's. */
export interface PhoneClaims {
  owner(phoneKey: string): Promise<string | undefined>;
  /** Claims for each its user; gives back whose they are now, which is another's where that one was first. */
  claim(claims: readonly Claim[]): Promise<ReadonlyMap<string, string>>;
  release(claims: readonly Claim[]): Promise<void>;
}

export interface NameClaim {
  readonly userId: string;
  readonly claimedAt: number;
}

/** User names: each is one user's. */
export interface NameClaims {
  find(name: string): Promise<NameClaim | undefined>;
  claim(claims: readonly Claim[]): Promise<ReadonlyMap<string, string>>;
  /** Takes a name over whose claim is still exactly this one; false when it has changed. */
  takeOver(name: string, from: NameClaim, userId: string): Promise<boolean>;
  release(name: string, userId: string): Promise<void>;
}

export interface StandingDevice {
  readonly deviceId: string;
  readonly registeredAt: number;
}

export interface DeviceRegistry {
  /** Makes the devices that do not exist; leaves those that do alone, removed ones too. */
  ensure(devices: readonly NewDevice[]): Promise<void>;
  /** Devices that stand. */
  list(userId: string): Promise<readonly Device[]>;
  /** The devices that stand, by user; users without any are left out. */
  listOf(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly StandingDevice[]>>;
  stands(userId: string, deviceId: string): Promise<boolean>;
  /** `removed`: it stood until now. */
  remove(userId: string, deviceId: string): Promise<'removed' | 'gone_before' | 'unknown'>;
  touch(userId: string, deviceId: string): Promise<void>;
}

export interface ContactBook {
  put(userId: string, contact: Contact): Promise<void>;
  remove(userId: string, contactId: string): Promise<boolean>;
  list(
    userId: string,
    page: { readonly size: number; readonly after: string | undefined },
  ): Promise<readonly Contact[]>;
  count(userId: string, limit: number): Promise<number>;
  /** The pairs that are there among all of `owners` x `others`, and maybe more. */
  among(owners: readonly string[], others: readonly string[]): Promise<readonly Pair[]>;
}

export interface Pair {
  readonly owner: string;
  readonly other: string;
}

export interface BlockList {
  put(userId: string, blockedId: string): Promise<void>;
  remove(userId: string, blockedId: string): Promise<boolean>;
  list(userId: string, page: { readonly size: number; readonly after: string | undefined }): Promise<readonly string[]>;
  count(userId: string, limit: number): Promise<number>;
  among(owners: readonly string[], others: readonly string[]): Promise<readonly Pair[]>;
}

/** A refresh token as it is kept, under the hash of what the device holds. */
export interface RefreshTokenRecord {
  readonly hash: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly expiresAt: number;
  /** Set once it was exchanged. */
  readonly use: RefreshTokenUse | undefined;
  /** Its predecessor was exchanged again, because nobody had seen this one. */
  readonly voided: boolean;
}

export interface RefreshTokenUse {
  readonly at: number;
  /** The successor is derived from the token and this. */
  readonly salt: string;
  readonly successorHash: string;
}

export type NewRefreshToken = Omit<RefreshTokenRecord, 'use' | 'voided'>;

export interface RefreshTokenStore {
  insert(tokens: readonly NewRefreshToken[]): Promise<void>;
  find(hash: string): Promise<RefreshTokenRecord | undefined>;
  /** Replaces its use, if that is still `from`; false when somebody was faster. */
  use(hash: string, from: RefreshTokenUse | undefined, use: RefreshTokenUse): Promise<boolean>;
  /** Voids it unless it was used; true when it is void now. */
  void(hash: string): Promise<boolean>;
}

export interface Verification {
  readonly id: string;
  readonly phoneKey: string;
  readonly codeHash: string;
  readonly expiresAt: number;
  readonly triesLeft: number;
  /** First right code, if there was one. */
  readonly usedAt: number | undefined;
  /** Who it becomes if the phone has no user yet. */
  readonly userId: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly platform: Device['platform'];
  readonly userName: string | undefined;
}

export interface VerificationStore {
  insert(verification: Verification): Promise<void>;
  /** Takes one try off, if there is one; undefined: unknown, or no tries left. */
  takeTry(id: string): Promise<Verification | undefined>;
  markUsed(id: string, at: number): Promise<void>;
  remove(id: string): Promise<void>;
}

/** When codes were sent to a phone. Optimistic: a write fails when the record moved on. */
export interface SendHistoryStore {
  find(phoneKey: string): Promise<{ readonly history: SendHistory; readonly revision: number } | undefined>;
  /** `revision`: of what was read, undefined for nothing. */
  replace(phoneKey: string, history: SendHistory, revision: number | undefined): Promise<boolean>;
}

export interface Ticket {
  readonly hash: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly expiresAt: number;
  readonly tokenExpiresAt: number;
}

export interface TicketStore {
  insert(ticket: Ticket): Promise<void>;
  take(hash: string): Promise<Ticket | undefined>;
}

export interface ApiKeyStore {
  insert(key: ApiKey & { readonly secretHash: string }): Promise<void>;
  find(id: string): Promise<(ApiKey & { readonly secretHash: string }) | undefined>;
  revoke(id: string): Promise<boolean>;
}

export interface ImportRow {
  readonly externalId: string;
  readonly userId: string;
  /** One for each device it can ever have. */
  readonly deviceIds: readonly string[];
}

/** Which user an imported one became. */
export interface ImportLedger {
  /** Writes the rows that are new; gives back all as they stand. */
  claim(rows: readonly ImportRow[]): Promise<ReadonlyMap<string, ImportRow>>;
}

export interface SmsGateway {
  /** @throws when it did not go out */
  send(message: { readonly phone: string; readonly code: string }): Promise<void>;
}

/** Tells those who cache; best effort, they forget by time anyway. */
export interface AccountFacts {
  profileChanged(userId: string): void;
  /** Without `otherUserId`: towards everyone. */
  relationsChanged(userId: string, otherUserId?: string): void;
  deviceRevoked(userId: string, deviceId: string): void;
}

/** Closes sockets of devices that no longer stand; keeps trying in the background. */
export interface SocketCloser {
  close(userId: string, deviceIds: readonly string[]): Promise<void>;
}

export interface RateLimiter {
  /** Counts one; undefined: fine, else milliseconds until it is worth another try. */
  take(subject: string): Promise<number | undefined>;
}

export interface AccessTokenClaims {
  readonly userId: string;
  readonly deviceId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface AccessTokenSigner {
  sign(claims: AccessTokenClaims): Promise<string>;
}

/** The keyed and unkeyed hashes, and the random values, that secrets are made of. */
export interface Secrets {
  phoneKey(phone: string): string;
  newCode(): string;
  codeHash(verificationId: string, code: string): string;
  /** 256 random bits, base64url. */
  newToken(): string;
  tokenHash(token: string): string;
  /** The token that follows this one; the same for the same salt. */
  nextToken(token: string, salt: string): string;
  /** The token that followed this one; undefined when it was made with a master key that is accepted no more. */
  repeatedToken(token: string, use: Pick<RefreshTokenUse, 'salt' | 'successorHash'>): string | undefined;
  /** Constant time. */
  same(a: string, b: string): boolean;
}
