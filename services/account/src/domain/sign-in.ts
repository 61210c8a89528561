import { userNameTaken, userNotFound } from './refusal.js';
import type {
  StartedVerification,
  StartVerification,
  VerificationDeps,
  VerificationRequest,
} from './start-verification.js';
import type { UserNames } from './user-names.js';

export interface SignInDeps extends Pick<VerificationDeps, 'phones' | 'secrets'> {
  readonly names: UserNames;
  readonly start: StartVerification;
}

/**
 * Sign-up. For a phone that has a user this is a login, with the same answer: only who gets the code learns it. The
 * wished name must be free, or be the name of this phone's user (who installs anew).
 */
export const registerUser =
  ({ phones, secrets, names, start }: SignInDeps) =>
  async (request: VerificationRequest): Promise<StartedVerification> => {
    if (request.userName !== undefined) {
      const owner = await names.holder(request.userName);
      if (owner !== undefined && owner !== (await phones.owner(secrets.phoneKey(request.phone)))) throw userNameTaken();
    }
    return start(request);
  };

/** A new device of a phone that has a user. */
export const loginUser =
  ({ phones, secrets, start }: Pick<SignInDeps, 'phones' | 'secrets' | 'start'>) =>
  async (request: VerificationRequest): Promise<StartedVerification> => {
    if ((await phones.owner(secrets.phoneKey(request.phone))) === undefined) throw userNotFound('phone');
    return start(request);
  };
