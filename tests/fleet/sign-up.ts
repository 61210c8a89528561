import { httpCalls } from '@godwit/client/calls';
import type { Fleet } from './people.js';

let phones = 0;

/** A device of a person with a phone. */
export interface SignedIn {
  readonly userId: string;
  readonly phone: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly accessExpiresAtMs: number;
}

/** One that nobody in this file has. */
export const nextPhone = (): string => {
  phones += 1;
  return `+1202555${String(1_000 + phones)}`;
};

/** As an app does it: phone, code, tokens. A phone that has a user already is signed in as that one. */
export async function signUp(fleet: Fleet, userName: string, phone = nextPhone()): Promise<SignedIn> {
  const http = httpCalls(fleet.stack.edges);
  const apiKey = fleet.stack.secrets.adminApiKey;
  const { verificationId } = await http.call('registerUser', { apiKey, phone, userName, deviceName: 'first' });
  return finishSignIn(fleet, phone, verificationId);
}

export async function finishSignIn(fleet: Fleet, phone: string, verificationId: string): Promise<SignedIn> {
  const code = await fleet.stack.smsCode(phone);
  const { outcome } = await httpCalls(fleet.stack.edges).call('validateAccount', { verificationId, code });
  if (outcome.case !== 'signedIn') throw new Error(`not signed in: ${String(outcome.case)}`);
  const { profile, deviceId, tokens } = outcome.value;
  return {
    userId: profile?.userId ?? '',
    phone,
    deviceId,
    accessToken: tokens?.accessToken ?? '',
    refreshToken: tokens?.refreshToken ?? '',
    accessExpiresAtMs: Number(tokens?.accessExpiresAtMs ?? 0n),
  };
}
