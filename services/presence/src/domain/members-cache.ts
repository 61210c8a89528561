import { parseConversation } from '@godwit/ids/conversation';
import type { Clock } from '@godwit/runtime/clock';
import { LRUCache } from 'lru-cache';
import type { ReadMembers } from './ports.js';

/** Members in all cached groups together. */
const MAX_MEMBERS = 1_000_000;
const STALE_MS = 10 * 60_000;

interface Entry {
  readonly members: ReadonlySet<string>;
  readonly readAt: number;
  stale: boolean;
}

const NOBODY: ReadonlySet<string> = new Set();

export interface MembersCacheOptions {
  readonly clock: Clock;
  readonly freshMs: number;
  readonly read: ReadMembers;
  readonly onError: (error: unknown) => void;
}

/** Who is in a conversation: of private ones the id says it, groups are asked for and remembered for a short time. */
export class MembersCache {
  readonly #options: MembersCacheOptions;
  readonly #groups: LRUCache<string, Entry>;
  readonly #loading = new Map<string, Promise<ReadonlySet<string> | undefined>>();

  constructor(options: MembersCacheOptions) {
    this.#options = options;
    this.#groups = new LRUCache({ maxSize: MAX_MEMBERS, sizeCalculation: ({ members }) => members.size + 1 });
  }

  /** The members; nobody where there is no such conversation; undefined when nobody can tell. */
  async of(conversationId: string): Promise<ReadonlySet<string> | undefined> {
    const conversation = parseConversation(conversationId);
    if (conversation === undefined) return NOBODY;
    if (conversation.kind === 'private') return new Set(conversation.users);
    const entry = this.#groups.get(conversationId);
    if (entry !== undefined && !entry.stale && this.#ageOf(entry) <= this.#options.freshMs) return entry.members;
    return this.#loading.get(conversationId) ?? this.#load(conversationId);
  }

  changed(conversationId: string): void {
    const entry = this.#groups.get(conversationId);
    if (entry !== undefined) entry.stale = true;
  }

  /** Changes may have been missed. */
  missedFacts(): void {
    for (const entry of this.#groups.values()) entry.stale = true;
  }

  #ageOf({ readAt }: Entry): number {
    return this.#options.clock.monotonic() - readAt;
  }

  #load(conversationId: string): Promise<ReadonlySet<string> | undefined> {
    const loading = this.#read(conversationId).finally(() => this.#loading.delete(conversationId));
    this.#loading.set(conversationId, loading);
    return loading;
  }

  async #read(conversationId: string): Promise<ReadonlySet<string> | undefined> {
    const readAt = this.#options.clock.monotonic();
    try {
      const members = (await this.#options.read(conversationId)) ?? NOBODY;
      this.#groups.set(conversationId, { members, readAt, stale: false });
      return members;
    } catch (error) {
      this.#options.onError(error);
      const known = this.#groups.get(conversationId);
      return known !== undefined && this.#ageOf(known) <= STALE_MS ? known.members : undefined;
    }
  }
}
