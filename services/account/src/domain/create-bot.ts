import { newId } from '@godwit/ids/id';
import { issueTokens, type IssueDeps } from './issue-tokens.js';
import type { Tokens, User } from './model.js';
import type { DeviceRegistry, UserDirectory } from './ports.js';
import { userNameTaken } from './refusal.js';
import type { UserNames } from './user-names.js';

export interface CreateBotDeps extends IssueDeps {
  readonly users: UserDirectory;
  readonly devices: DeviceRegistry;
  readonly names: UserNames;
}

export interface CreatedBot {
  readonly user: User;
  readonly deviceId: string;
  readonly tokens: Tokens;
}

/** A user without a phone, with one device. Its name is claimed first, and decides. */
export const createBot =
  (deps: CreateBotDeps) =>
  async (userName: string, displayName: string): Promise<CreatedBot> => {
    const { users, devices, names } = deps;
    const [userId, deviceId] = [newId(), newId()];
    if (!(await names.claim(userName, userId))) throw userNameTaken();
    await users.ensure([{ userId, kind: 'bot', displayName }]);
    await users.setUserName(userId, userName);
    await devices.ensure([{ userId, deviceId, name: 'bot', platform: 'bot' }]);
    const [user, tokens] = await Promise.all([users.find(userId), issueTokens(deps, { userId, deviceId })]);
    if (user === undefined) throw new Error('a bot that was just made is not there');
    return { user, deviceId, tokens };
  };

export type CreateBot = ReturnType<typeof createBot>;
