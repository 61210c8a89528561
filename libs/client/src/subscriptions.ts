export interface Topics {
  readonly userIds: string[];
  readonly conversationIds: string[];
}

export interface SomeTopics {
  readonly userIds?: readonly string[];
  readonly conversationIds?: readonly string[];
}

/** Ids in one frame: 500 conversations are 30 KB of the 64 that a frame may have. */
const MOST_TOPICS = 500;

/** What the app wants to hear of, to be asked for again on each new socket. */
export class Subscriptions {
  readonly #users = new Set<string>();
  readonly #conversations = new Set<string>();

  add({ userIds = [], conversationIds = [] }: SomeTopics): void {
    for (const id of userIds) this.#users.add(id);
    for (const id of conversationIds) this.#conversations.add(id);
  }

  remove({ userIds = [], conversationIds = [] }: SomeTopics): void {
    for (const id of userIds) this.#users.delete(id);
    for (const id of conversationIds) this.#conversations.delete(id);
  }

  all(): Topics[] {
    return inFrames({ userIds: [...this.#users], conversationIds: [...this.#conversations] });
  }
}

/** The same topics in as many frames as they need. */
export function inFrames({ userIds = [], conversationIds = [] }: SomeTopics): Topics[] {
  const frames: Topics[] = [];
  for (let from = 0; from < userIds.length; from += MOST_TOPICS) {
    frames.push({ userIds: userIds.slice(from, from + MOST_TOPICS), conversationIds: [] });
  }
  for (let from = 0; from < conversationIds.length; from += MOST_TOPICS) {
    frames.push({ userIds: [], conversationIds: conversationIds.slice(from, from + MOST_TOPICS) });
  }
  return frames;
}
