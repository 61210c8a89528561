import { issueAccessToken, type IssueDeps } from './issue-tokens.js';
import type { Tokens } from './model.js';
import type { DeviceRegistry, RefreshTokenRecord, RefreshTokenUse } from './ports.js';
import { Refusal } from './refusal.js';
import type { RemoveDevice } from './remove-device.js';

export interface RefreshDeps extends IssueDeps {
  readonly devices: DeviceRegistry;
  readonly removeDevice: RemoveDevice;
}

// What base64url makes of 32 bytes.
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/;

const refused = (): Refusal =>
  new Refusal('unauthenticated', 'REFRESH_TOKEN_INVALID', {
    message: 'this refresh token is unknown, expired or revoked: sign in again',
    field: 'refresh_token',
  });

const reused = (): Refusal =>
  new Refusal('unauthenticated', 'REFRESH_TOKEN_REUSED', {
    message: 'this refresh token was used before: the device is signed out',
    field: 'refresh_token',
  });

/**
 * Exchanges a refresh token. Each is good for one exchange, and a used one that comes again signs the device out,
 * because then two hold it. With two exceptions, so that a device whose answer was lost on the way is not punished:
 * - within the grace time, as long as its successor was not used, the exchange is repeated with the same result (the
 *   successor is derived from the token and a stored salt, so that it can be told again without being kept);
 * - later, as long as its successor was never used, it gets another successor and the first one is voided. If a thief
 *   did have one of the two, the next exchange of the other one shows it.
 */
export const refreshToken = (deps: RefreshDeps) => {
  const { clock, secrets, refreshTokens, devices } = deps;

  return async (token: string): Promise<Tokens> => {
    if (!TOKEN_PATTERN.test(token)) throw refused();
    const record = await refreshTokens.find(secrets.tokenHash(token));
    if (record === undefined || record.expiresAt <= clock.now()) throw refused();
    if (!(await devices.stands(record.userId, record.deviceId))) throw refused();
    if (record.voided) return signOut(record);
    const successor = await exchange(token, record);
    if (successor === undefined) return signOut(record);
    return renew(record, successor);
  };

  async function signOut({ userId, deviceId }: RefreshTokenRecord): Promise<never> {
    await deps.removeDevice({ userId, deviceId });
    throw reused();
  }

  /** The successor, or undefined when the token is used up for good. */
  async function exchange(token: string, record: RefreshTokenRecord): Promise<string | undefined> {
    const { use } = record;
    if (use === undefined) return firstUse(token, record);
    const known = secrets.repeatedToken(token, use);
    if (known !== undefined && clock.now() - use.at < deps.terms.refreshGraceMs) {
      // Who has used the successor has had the answer: this is somebody else.
      const successor = await refreshTokens.find(use.successorHash);
      return successor?.use === undefined ? known : undefined;
    }
    if (!(await refreshTokens.void(use.successorHash))) return undefined;
    return useAs(token, record, use);
  }

  async function firstUse(token: string, record: RefreshTokenRecord): Promise<string | undefined> {
    const successor = await useAs(token, record, undefined);
    if (successor !== undefined) return successor;
    // Somebody else was exchanging it at the same moment: give the answer that one gives.
    const now = await refreshTokens.find(record.hash);
    return now?.use === undefined ? undefined : secrets.repeatedToken(token, now.use);
  }

  async function useAs(
    token: string,
    record: RefreshTokenRecord,
    from: RefreshTokenUse | undefined,
  ): Promise<string | undefined> {
    const salt = secrets.newToken();
    const successor = secrets.nextToken(token, salt);
    const use = { at: clock.now(), salt, successorHash: secrets.tokenHash(successor) };
    return (await refreshTokens.use(record.hash, from, use)) ? successor : undefined;
  }

  async function renew({ userId, deviceId }: RefreshTokenRecord, successor: string): Promise<Tokens> {
    const actor = { userId, deviceId };
    const refreshExpiresAt = clock.now() + deps.terms.refreshMs;
    const [access] = await Promise.all([
      issueAccessToken(deps, actor, deps.terms.accessMs),
      refreshTokens.insert([{ hash: secrets.tokenHash(successor), ...actor, expiresAt: refreshExpiresAt }]),
      devices.touch(userId, deviceId),
    ]);
    return { ...access, refreshToken: successor, refreshExpiresAt };
  }
};

export type RefreshTokenCall = ReturnType<typeof refreshToken>;
