import type { Privacy, ProfileChanges, User } from './model.js';
import type { AccountFacts, BlockList, PhoneClaims, RateLimiter, Secrets, UserDirectory } from './ports.js';
import { Refusal, userNameTaken, userNotFound } from './refusal.js';
import type { UserNames } from './user-names.js';

export interface ProfileDeps {
  readonly users: UserDirectory;
  readonly phones: PhoneClaims;
  readonly blocks: BlockList;
  readonly names: UserNames;
  readonly facts: AccountFacts;
  readonly secrets: Secrets;
  /** Of FindUser, by the user who asks. */
  readonly searches: RateLimiter;
}

export interface ProfileUpdate extends ProfileChanges {
  /** Null: give it up. */
  readonly userName?: string | null;
}

export type UserSearch =
  { readonly by: 'user_name'; readonly userName: string } | { readonly by: 'phone'; readonly phone: string };

export const createProfiles = (deps: ProfileDeps) => {
  const { users, blocks, names, facts } = deps;

  const own = async (userId: string): Promise<User> => {
    const user = await users.find(userId);
    if (user === undefined) throw userNotFound('user_id');
    return user;
  };

  /** Picture and words are not for those whom the user has blocked. */
  const shownTo = async (asker: string, user: User): Promise<User> => {
    if (asker === user.userId) return user;
    const blocked = (await blocks.among([user.userId], [asker])).length > 0;
    return blocked ? { ...user, pictureMediaId: '', about: '' } : user;
  };

  const get = async (asker: string, userId: string): Promise<User> => shownTo(asker, await own(userId));

  const update = async (userId: string, { userName, ...changes }: ProfileUpdate): Promise<User> => {
    const user = await own(userId);
    // The name first: it is the one that may be refused, and then nothing has changed.
    if (userName !== undefined && (userName ?? undefined) !== user.userName) {
      if (!(await names.change(userId, user.userName, userName ?? undefined))) throw userNameTaken();
    }
    if (Object.keys(changes).length > 0) await users.updateProfile(userId, changes);
    facts.profileChanged(userId);
    return own(userId);
  };

  const updatePrivacy = async (userId: string, changes: Partial<Privacy>): Promise<Privacy> => {
    await own(userId);
    if (Object.keys(changes).length > 0) {
      await users.updatePrivacy(userId, changes);
      facts.relationsChanged(userId);
    }
    return (await own(userId)).privacy;
  };

  const lookUp = async (search: UserSearch): Promise<string | undefined> =>
    search.by === 'user_name' ? names.holder(search.userName) : deps.phones.owner(deps.secrets.phoneKey(search.phone));

  const find = async (asker: string, search: UserSearch): Promise<User> => {
    const retryAfterMs = await deps.searches.take(asker);
    if (retryAfterMs !== undefined) {
      throw new Refusal('limited', 'TOO_MANY_SEARCHES', { message: 'too many searches for users', retryAfterMs });
    }
    const userId = await lookUp(search);
    const user = userId === undefined ? undefined : await users.find(userId);
    if (user === undefined) throw userNotFound(search.by);
    return shownTo(asker, user);
  };

  return { get, update, find, updatePrivacy, privacy: async (userId: string) => (await own(userId)).privacy };
};

export type Profiles = ReturnType<typeof createProfiles>;
