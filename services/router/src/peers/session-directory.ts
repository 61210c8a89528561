import type { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { Session, SessionDirectory } from '../domain/ports.js';

/** Users that one call names at most. */
const CHUNK = 1_000;
const LOOKUP = { deadlineMs: 1_500, attemptMs: 500, idempotent: true } as const;

/** Sessions as the replicas of the session service know them, each its users. */
export class SessionServiceDirectory implements SessionDirectory {
  readonly #pool: NodePool<SessionServiceService>;
  readonly #onFailed: (error: unknown) => void;

  constructor(pool: NodePool<SessionServiceService>, onFailed: (error: unknown) => void) {
    this.#pool = pool;
    this.#onFailed = onFailed;
  }

  async lookup(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Session[]>> {
    const found = new Map<string, readonly Session[]>();
    const asking: Promise<void>[] = [];
    for (const group of this.#pool.nodes.groupByNode(userIds, (userId) => userId).values()) {
      for (let start = 0; start < group.length; start += CHUNK) {
        asking.push(this.#ask(group.slice(start, start + CHUNK), found));
      }
    }
    await Promise.all(asking);
    return found;
  }

  /** One replica that is away costs its own users only. */
  async #ask(userIds: string[], found: Map<string, readonly Session[]>): Promise<void> {
    try {
      const { users } = await this.#pool.callOwner('lookup', { userIds }, { ...LOOKUP, key: userIds[0] ?? '' });
      for (const { userId, sessions } of users) found.set(userId, sessions);
    } catch (error) {
      this.#onFailed(error);
    }
  }
}
