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

interface Registered {
  readonly stored: readonly (readonly EdgePresence[])[];
  readonly live: LiveEdges;
}

const NOTHING: readonly EdgePresence[] = [];
const NONE: Registered = { stored: [], live: new Map() };

/** How users are, from what this replica sees, the registry, and when they were last seen. */
export class PresenceReader {
  readonly #options: PresenceReaderOptions;

  constructor(options: PresenceReaderOptions) {
    this.#options = options;
  }

  /** In the order asked; never rejects: what can't be read is as if it weren't there. */
  async read(userIds: readonly string[]): Promise<readonly UserPresence[]> {
    const [registered, seen] = await this.#look(userIds);
    return this.#presences(userIds, registered ?? NONE, seen);
  }

  /** The same, or undefined when the registry can't be read: then nobody is to be called offline for it. */
  async tryRead(userIds: readonly string[]): Promise<readonly UserPresence[] | undefined> {
    const [registered, seen] = await this.#look(userIds);
    return registered === undefined ? undefined : this.#presences(userIds, registered, seen);
  }

  #look(userIds: readonly string[]): Promise<[Registered | undefined, ReadonlyMap<string, number>]> {
    return Promise.all([this.#registered(userIds), this.#seen(userIds)]);
  }

  #presences(
    userIds: readonly string[],
    { stored, live }: Registered,
    seen: ReadonlyMap<string, number>,
  ): readonly UserPresence[] {
    return userIds.map((userId, index) => {
      const entries = stored[index] ?? NOTHING;
      return {
        online: this.#options.isHere(userId) || isOnline(entries, live),
        lastSeenMs: Math.max(seen.get(userId) ?? 0, lastSeenIn(entries)),
      };
    });
  }

  async #registered(userIds: readonly string[]): Promise<Registered | undefined> {
    try {
      const stored = await this.#options.registry.read(userIds);
      return { stored, live: await this.#options.life.among(stored) };
    } catch (error) {
      this.#options.onError(error);
      return undefined;
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
