import { issueTokens, type IssueDeps } from './issue-tokens.js';
import { MAX_DEVICES, type Tokens, type User } from './model.js';
import type { DeviceRegistry, PhoneClaims, UserDirectory, Verification, VerificationStore } from './ports.js';
import { Refusal } from './refusal.js';
import type { RemoveDevice } from './remove-device.js';
import type { UserNames } from './user-names.js';

export interface ValidateDeps extends IssueDeps {
  readonly verifications: VerificationStore;
  readonly phones: PhoneClaims;
  readonly users: UserDirectory;
  readonly devices: DeviceRegistry;
  readonly names: UserNames;
  readonly removeDevice: RemoveDevice;
}

/** After a right code it is good for this long once more: the answer may have been lost. */
const REPEAT_MS = 60_000;

export interface SignedIn {
  readonly user: User;
  readonly deviceId: string;
  readonly tokens: Tokens;
  readonly userNameTaken: boolean;
}

export type ValidateOutcome =
  | { readonly kind: 'signed_in'; readonly signedIn: SignedIn }
  | { readonly kind: 'wrong_code'; readonly triesLeft: number };

const notFound = (): Refusal =>
  new Refusal('not_found', 'VERIFICATION_NOT_FOUND', {
    message: 'this verification is unknown, expired or used up: ask for a new code',
    field: 'verification_id',
  });

/**
 * Ends a sign-up or login with the code. The phone is claimed first, then the user and the device are made, each step
 * doing nothing where it was done before: whatever a crash leaves is completed by the next sign-in of that phone.
 */
export const validateAccount = (deps: ValidateDeps) => {
  const { clock, secrets, verifications, phones, users, devices, names } = deps;

  return async (verificationId: string, code: string): Promise<ValidateOutcome> => {
    // The try is counted before the code is looked at, so that guessing in parallel gains nothing.
    const verification = await verifications.takeTry(verificationId);
    const now = clock.now();
    if (verification === undefined || verification.expiresAt <= now) throw notFound();
    if (verification.usedAt !== undefined && now - verification.usedAt > REPEAT_MS) throw notFound();
    if (!secrets.same(verification.codeHash, secrets.codeHash(verificationId, code))) {
      return { kind: 'wrong_code', triesLeft: verification.triesLeft };
    }
    if (verification.usedAt === undefined) await verifications.markUsed(verificationId, now);
    return { kind: 'signed_in', signedIn: await signIn(verification) };
  };

  async function signIn(verification: Verification): Promise<SignedIn> {
    const { phoneKey, deviceId, deviceName, platform } = verification;
    const owners = await phones.claim([{ key: phoneKey, userId: verification.userId }]);
    const userId = owners.get(phoneKey) ?? verification.userId;
    await users.ensure([{ userId, kind: 'person', displayName: '', phoneKey }]);
    const taken = await giveName(userId, verification.userName);
    await devices.ensure([{ userId, deviceId, name: deviceName, platform }]);
    // Removed while this call was repeated: it stays removed.
    if (!(await devices.stands(userId, deviceId))) throw notFound();
    await makeRoom(userId, deviceId);
    const [user, tokens] = await Promise.all([users.find(userId), issueTokens(deps, { userId, deviceId })]);
    if (user === undefined) throw new Error('a user that was just made is not there');
    return { user, deviceId, tokens, userNameTaken: taken };
  }

  /** True when the wish could not be met. Who has a name keeps it. */
  async function giveName(userId: string, wish: string | undefined): Promise<boolean> {
    if (wish === undefined) return false;
    const user = await users.find(userId);
    if (user?.userName !== undefined) return false;
    return !(await names.change(userId, undefined, wish));
  }

  async function makeRoom(userId: string, newest: string): Promise<void> {
    const others = (await devices.list(userId)).filter((device) => device.deviceId !== newest);
    const surplus = others.sort((a, b) => b.lastUsedAt - a.lastUsedAt).slice(MAX_DEVICES - 1);
    await Promise.all(surplus.map(({ deviceId }) => deps.removeDevice({ userId, deviceId })));
  }
};

export type ValidateAccount = ReturnType<typeof validateAccount>;
