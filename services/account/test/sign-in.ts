import type { SignedIn } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { DEVELOPMENT_KEY, newPhone, type RunningAccount } from './running-account.js';

export interface Person {
  readonly phone: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly signedIn: SignedIn;
}

/** Ends a verification with the code that was sent. */
export const validate = async (account: RunningAccount, phone: string, verificationId: string): Promise<Person> => {
  const { outcome } = await account.as(undefined, 'validateAccount', {
    verificationId,
    code: account.sms.codeFor(phone),
  });
  if (outcome?.$case !== 'signedIn') throw new Error(`not signed in: ${JSON.stringify(outcome)}`);
  const { profile, deviceId, tokens } = outcome.value;
  if (profile === undefined || tokens === undefined) throw new Error('a sign-in without profile or tokens');
  return {
    phone,
    userId: profile.userId,
    deviceId,
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    signedIn: outcome.value,
  };
};

export const register = async (account: RunningAccount, userName = '', phone = newPhone()): Promise<Person> => {
  const request = { apiKey: DEVELOPMENT_KEY, phone, userName, deviceName: 'phone', platform: 1 } as const;
  const { verificationId } = await account.as(undefined, 'registerUser', request);
  return validate(account, phone, verificationId);
};

/** Another device of somebody who has registered. */
export const login = async (account: RunningAccount, phone: string): Promise<Person> => {
  account.clock.advance(1_000);
  const request = { apiKey: DEVELOPMENT_KEY, phone, deviceName: 'laptop', platform: 4 } as const;
  const { verificationId } = await account.as(undefined, 'loginUser', request);
  return validate(account, phone, verificationId);
};
