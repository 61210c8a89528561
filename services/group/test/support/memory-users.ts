import type { Users } from '../../src/domain/ports.js';

/** Accounts in memory: everyone exists unless said otherwise. */
export class MemoryUsers implements Users {
  readonly missing = new Set<string>();
  /** `owner:other`: the owner has blocked the other. */
  readonly blocks = new Set<string>();
  asked = 0;
  isAway = false;

  exists(userId: string): Promise<boolean> {
    this.#ask();
    return Promise.resolve(!this.missing.has(userId));
  }

  towards(towards: string, userIds: readonly string[]): ReturnType<Users['towards']> {
    this.#ask();
    return Promise.resolve(
      userIds.map((userId) => ({
        exists: !this.missing.has(userId),
        blocked: this.blocks.has(`${userId}:${towards}`),
      })),
    );
  }

  #ask(): void {
    this.asked++;
    if (this.isAway) throw Object.assign(new Error('account is away'), { code: 14 });
  }
}
