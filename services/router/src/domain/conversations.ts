import { LRUCache } from 'lru-cache';
import { parseConversation } from '@godwit/ids/conversation';
import { applyMembership, beginConversation, type ConversationView, type MembershipChange } from './conversation.js';
import type { ConversationSource, LoadedConversation } from './ports.js';

export interface ConversationsOptions {
  readonly source: ConversationSource;
  /** Members held in memory, over all conversations. */
  readonly maxMembers: number;
}

export interface Wanted {
  readonly minVersion?: number;
  /** Begin a private conversation that has no log yet. */
  readonly create?: boolean;
}

// Nobody announces that a member has muted a conversation.
const MAX_AGE_MS = 5 * 60_000;

/** The conversations this router deals with, in memory; one question at a time to `group` for each. */
export class Conversations {
  readonly #source: ConversationSource;
  readonly #views: LRUCache<string, ConversationView>;
  readonly #loading = new Map<string, Promise<LoadedConversation>>();

  constructor({ source, maxMembers }: ConversationsOptions) {
    this.#source = source;
    this.#views = new LRUCache({
      maxSize: maxMembers,
      sizeCalculation: (view) => view.members.size + 1,
      ttl: MAX_AGE_MS,
    });
  }

  /** What is known without asking. */
  peek(conversationId: string, minVersion = 0): ConversationView | undefined {
    const view = this.#views.get(conversationId);
    return view !== undefined && view.version >= minVersion ? view : undefined;
  }

  /** Rejects when `group` can't be asked. */
  async get(conversationId: string, { minVersion = 0, create = false }: Wanted = {}): Promise<LoadedConversation> {
    for (;;) {
      const known = this.peek(conversationId, minVersion);
      if (known !== undefined) return { found: true, view: known };
      const loading = this.#loading.get(conversationId);
      if (loading === undefined) return this.#load(conversationId, { minVersion, create });
      const loaded = await loading;
      if (loaded.found && loaded.view.version >= minVersion) return loaded;
      // Somebody else asked for less, or without the right to begin it.
      if (!loaded.found && !create) return loaded;
    }
  }

  /** A change that was appended here: spares reading 10,000 members again for one that came. */
  apply(conversationId: string, change: MembershipChange, seq: number): void {
    const view = this.#views.peek(conversationId);
    if (view !== undefined && view.version >= seq) return;
    const begun = beginConversation(conversationId, change, seq);
    if (begun !== undefined) this.#views.set(conversationId, begun);
    else if (view !== undefined) this.#change(view, change, seq);
  }

  /** Somebody says that the conversation is at this version. */
  noteVersion(conversationId: string, version: number): void {
    const view = this.#views.peek(conversationId);
    if (view !== undefined && view.version < version) this.#views.delete(conversationId);
  }

  #change(view: ConversationView, change: MembershipChange, seq: number): void {
    this.#views.delete(view.conversationId);
    // Set again even where it was changed in place: its size in the cache has changed too.
    if (applyMembership(view, change, seq)) this.#views.set(view.conversationId, view);
  }

  #load(conversationId: string, options: { minVersion: number; create: boolean }): Promise<LoadedConversation> {
    const loading = this.#ask(conversationId, options).finally(() => {
      this.#loading.delete(conversationId);
    });
    this.#loading.set(conversationId, loading);
    return loading;
  }

  async #ask(conversationId: string, { minVersion, create }: { minVersion: number; create: boolean }) {
    const isPrivate = parseConversation(conversationId)?.kind === 'private';
    const loaded = await this.#source.load(conversationId, { minVersion, create: create && isPrivate });
    if (!loaded.found) return loaded;
    if (loaded.view.version < minVersion) throw new Error('group knows less than the log');
    const newer = this.peek(conversationId, loaded.view.version);
    if (newer !== undefined) return { found: true, view: newer } as const;
    this.#views.set(conversationId, loaded.view);
    return loaded;
  }
}
