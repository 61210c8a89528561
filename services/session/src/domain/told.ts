import type { DirectoryEvents, SessionArchive } from './ports.js';

/** Users kept for the other replicas at most, while they can't be told. */
const MAX_USERS = 50_000;

/**
 * What other replicas have to hear: that a user of theirs registered here, or that a session they wrote is no more.
 * Happens while the rings of callers disagree, so: seldom, then in bulk.
 */
export class Told {
  readonly #self: string;
  readonly #archive: SessionArchive;
  readonly #events: DirectoryEvents;
  readonly #names = new Map<string, string>();
  #users = new Map<string, Set<string>>();
  #count = 0;

  constructor(self: string, archive: SessionArchive, events: DirectoryEvents) {
    this.#self = self;
    this.#archive = archive;
    this.#events = events;
    this.#names.set(self, self);
  }

  /** One string for each replica, instead of one for each session read. */
  intern(replica: string): string {
    const known = this.#names.get(replica);
    if (known !== undefined) return known;
    this.#names.set(replica, replica);
    return replica;
  }

  tell(replica: string, userId: string): void {
    if (replica === this.#self || this.#count >= MAX_USERS) return;
    const users = this.#users.get(replica) ?? new Set<string>();
    if (users.has(userId)) return;
    users.add(userId);
    this.#users.set(replica, users);
    this.#count++;
  }

  async flush(): Promise<void> {
    if (this.#count === 0) return;
    const users = this.#users;
    this.#users = new Map();
    this.#count = 0;
    try {
      await this.#archive.tell(users);
    } catch (error) {
      this.#events.archiveFailed('tell', error);
      for (const [replica, userIds] of users) for (const userId of userIds) this.tell(replica, userId);
    }
  }
}
