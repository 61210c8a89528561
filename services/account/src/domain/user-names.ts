import type { Clock } from '@godwit/runtime/clock';
import type { NameClaims, UserDirectory } from './ports.js';

/**
 * A claim is made before its user carries the name. One whose user does not carry it after this time was left behind
 * by a crash in between, and may be taken over. Far longer than any call lives.
 */
const ABANDONED_AFTER_MS = 60_000;

export interface UserNamesDeps {
  readonly clock: Clock;
  readonly claims: NameClaims;
  readonly users: UserDirectory;
}

export const createUserNames = ({ clock, claims, users }: UserNamesDeps) => {
  /** The user who has the name, or is just getting it; undefined: it is free. */
  const holder = async (name: string): Promise<string | undefined> => {
    const claim = await claims.find(name);
    if (claim === undefined) return undefined;
    if (clock.now() - claim.claimedAt < ABANDONED_AFTER_MS) return claim.userId;
    const user = await users.find(claim.userId);
    return user?.userName === name ? claim.userId : undefined;
  };

  /** True when the name is this user's now. */
  const claim = async (name: string, userId: string): Promise<boolean> => {
    const existing = await claims.find(name);
    if (existing === undefined) return (await claims.claim([{ key: name, userId }])).get(name) === userId;
    // An old claim of the user's own is made anew, so that nobody takes it for abandoned meanwhile.
    const free = existing.userId === userId || (await holder(name)) === undefined;
    return free && claims.takeOver(name, existing, userId);
  };

  /** Gives the user this name (undefined: none) instead of the one it has. False: taken. */
  const change = async (userId: string, from: string | undefined, to: string | undefined): Promise<boolean> => {
    if (to !== undefined && !(await claim(to, userId))) return false;
    await users.setUserName(userId, to);
    if (from !== undefined && from !== to) await claims.release(from, userId);
    return true;
  };

  return { holder, claim, change };
};

export type UserNames = ReturnType<typeof createUserNames>;
