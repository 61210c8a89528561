import type { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { Handlers } from '@godwit/rpc/server';
import type { ApiKeys } from '../domain/api-keys.js';
import { readCode, readDisplayName, readId, readOptionalUserName, readPhone } from '../domain/fields.js';
import type { RefreshTokenCall } from '../domain/refresh-token.js';
import type { RemoveDevice } from '../domain/remove-device.js';
import type { StartedVerification, VerificationRequest } from '../domain/start-verification.js';
import type { Tickets } from '../domain/tickets.js';
import type { ValidateAccount } from '../domain/validate-account.js';
import type { Acting } from './acting.js';
import { profileMessage, readPlatform, tokensMessage } from './mapping.js';

type StartSignIn = (request: VerificationRequest) => Promise<StartedVerification>;

export interface SignInCalls {
  readonly acting: Acting;
  readonly apiKeys: ApiKeys;
  readonly registerUser: StartSignIn;
  readonly loginUser: StartSignIn;
  readonly validateAccount: ValidateAccount;
  readonly refreshToken: RefreshTokenCall;
  readonly removeDevice: RemoveDevice;
  readonly tickets: Tickets;
}

type SignInHandlers = Pick<
  Handlers<typeof AccountServiceService>,
  'registerUser' | 'loginUser' | 'validateAccount' | 'refreshToken' | 'logout' | 'createTicket'
>;

interface DeviceFields {
  readonly phone: string;
  readonly deviceName: string;
  readonly platform: number;
}

const readDevice = ({ phone, deviceName, platform }: DeviceFields): VerificationRequest => ({
  phone: readPhone(phone, 'phone'),
  deviceName: readDisplayName(deviceName, 'device_name'),
  platform: readPlatform(platform),
});

export const signInHandlers = (calls: SignInCalls): SignInHandlers => ({
  registerUser: async (request) => {
    await calls.apiKeys.demand(request.apiKey, 'app');
    const userName = readOptionalUserName(request.userName, 'user_name');
    const { verificationId, expiresAt } = await calls.registerUser({ ...readDevice(request), userName });
    return { verificationId, expiresAtMs: expiresAt };
  },
  loginUser: async (request) => {
    await calls.apiKeys.demand(request.apiKey, 'app');
    const { verificationId, expiresAt } = await calls.loginUser(readDevice(request));
    return { verificationId, expiresAtMs: expiresAt };
  },
  validateAccount: async (request) => {
    const verificationId = readId(request.verificationId, 'verification_id');
    const outcome = await calls.validateAccount(verificationId, readCode(request.code, 'code'));
    if (outcome.kind === 'wrong_code') {
      return { outcome: { $case: 'wrongCode', value: { triesLeft: outcome.triesLeft } } };
    }
    const { user, deviceId, tokens, userNameTaken } = outcome.signedIn;
    const value = { profile: profileMessage(user), deviceId, tokens: tokensMessage(tokens), userNameTaken };
    return { outcome: { $case: 'signedIn', value } };
  },
  refreshToken: async ({ refreshToken }) => ({ tokens: tokensMessage(await calls.refreshToken(refreshToken)) }),
  logout: async (_request, context) => {
    await calls.removeDevice(await calls.acting(context));
    return {};
  },
  createTicket: async (_request, context) => {
    const { ticket, expiresAt } = await calls.tickets.create(await calls.acting(context));
    return { ticket, expiresAtMs: expiresAt };
  },
});
