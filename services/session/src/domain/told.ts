import type { DirectoryEvents, SessionArchive } from './ports.js';

/** Notices kept for the other replicas at most, while they can't be told. */
const MAX_NOTICES = 50_000;

/** What one replica lets another know of a device whose session it holds, or whose user it owns. */
export interface Notice {
  readonly userId: string;
  readonly deviceId: string;
  /** Of the session that was written or removed. */
  readonly epoch: number;
  readonly kind: 'written' | 'removed';
}

export const encodeNotice = ({ userId, deviceId, epoch, kind }: Notice): string =>
  `${userId} ${deviceId} ${String(epoch)} ${kind}`;

export const decodeNotice = (text: string): Notice | undefined => {
  const [userId, deviceId, digits, kind] = text.split(' ');
  const epoch = Number(digits);
  if (userId === undefined || deviceId === undefined || !Number.isSafeInteger(epoch)) return undefined;
  return kind === 'written' || kind === 'removed' ? { userId, deviceId, epoch, kind } : undefined;
};

/**
 * Notices for the other replicas. They arise while the rings of callers disagree, so: seldom, then in bulk.
 */
export class Told {
  readonly #self: string;
  readonly #archive: SessionArchive;
  readonly #events: DirectoryEvents;
  readonly #names = new Map<string, string>();
  #notices = new Map<string, Set<string>>();
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

  tell(replicas: readonly string[], notice: Notice): void {
    const others = replicas.filter((replica) => replica !== this.#self);
    if (others.length === 0) return;
    const text = encodeNotice(notice);
    for (const replica of others) this.#add(replica, text);
  }

  async flush(): Promise<void> {
    if (this.#count === 0) return;
    const notices = this.#notices;
    this.#notices = new Map();
    this.#count = 0;
    try {
      await this.#archive.tell(notices);
    } catch (error) {
      this.#events.archiveFailed('tell', error);
      for (const [replica, texts] of notices) for (const text of texts) this.#add(replica, text);
    }
  }

  #add(replica: string, text: string): void {
    const notices = this.#notices.get(replica) ?? new Set<string>();
    if (notices.has(text) || this.#count >= MAX_NOTICES) return;
    notices.add(text);
    this.#notices.set(replica, notices);
    this.#count++;
  }
}
