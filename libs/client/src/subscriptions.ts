export interface Topics {
  readonly userIds: string[];
  readonly conversationIds: string[];
}

interface SomeTopics {
  readonly userIds?: readonly string[];
  readonly conversationIds?: readonly string[];
}

/** What the app wants to hear of, to be asked for again on each new socket. */
export class Subscriptions {
  readonly #users = new Set<string>();
  readonly #conversations = new Set<string>();

  add({ userIds = [], conversationIds = [] }: SomeTopics): Topics {
    for (const id of userIds) this.#users.add(id);
    for (const id of conversationIds) this.#conversations.add(id);
    return { userIds: [...userIds], conversationIds: [...conversationIds] };
  }

  remove({ userIds = [], conversationIds = [] }: SomeTopics): Topics {
    for (const id of userIds) this.#users.delete(id);
    for (const id of conversationIds) this.#conversations.delete(id);
    return { userIds: [...userIds], conversationIds: [...conversationIds] };
  }

  all(): Topics | undefined {
    if (this.#users.size + this.#conversations.size === 0) return undefined;
    return { userIds: [...this.#users], conversationIds: [...this.#conversations] };
  }
}
