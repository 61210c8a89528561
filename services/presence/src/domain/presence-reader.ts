import type { LastSeen } from './last-seen.js';
import type { EdgeLife } from './live-edges.js';
import type { OnlineRegistry } from './ports.js';
import { isOnline, lastSeenIn, type EdgePresence, type LiveEdges, type UserPresence } from './presence.js';

export interface PresenceReaderOptions {
  readonly registry: OnlineRegistry;
  readonly life: EdgeLife;
  readonly lastSeen: LastSeen;
  readonly isHere: (userId: string) => boolean;
  readonly onError: (error: unknown) => void;
}

const NOTHING: readonly EdgePresence[] = [];

/** How users are, from what this replica sees, the registry, and when they were last seen. */
export class PresenceReader {
  readonly #options: PresenceReaderOptions;

  constructor(options: PresenceReaderOptions) {
    this.#options = options;
  }

  /** In the order asked; never rejects: what can't be read is as if it weren't there. */
  async read(userIds: readonly string[]): Promise<readonly UserPresence[]> {
    const [{ stored, live }, seen] = await Promise.all([this.#registered(userIds), this.#seen(userIds)]);
    return userIds.map((userId, index) => {
      const entries = stored[index] ?? NOTHING;
      return {
        online: this.#options.isHere(userId) || isOnline(entries, live),
        lastSeenMs: Math.max(seen.get(userId) ?? 0, lastSeenIn(entries)),
      };
    });
  }

  async #registered(
    userIds: readonly string[],
  ): Promise<{ stored: readonly (readonly EdgePresence[])[]; live: LiveEdges }> {
    try {
      const stored = await this.#options.registry.read(userIds);
      return { stored, live: await this.#options.life.among(stored) };
    } catch (error) {
      this.#options.onError(error);
      return { stored: [], live: new Map() };
    }
  }

  async #seen(userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    try {
      return await this.#options.lastSeen.read(userIds);
    } catch (error) {
      this.#options.onError(error);
      return new Map();
    }
  }
}
