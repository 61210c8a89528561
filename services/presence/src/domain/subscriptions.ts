import type { EdgeOutbox } from './edge-outbox.js';

/** A socket that has asked to hear of something. */
export interface Subscriber {
  readonly outbox: EdgeOutbox;
  readonly handle: number;
  /** Whose socket it is. */
  readonly viewer: string;
  readonly topics: Set<string>;
  /** Its socket has gone. */
  dropped: boolean;
  /** Its requests are done one after the other. */
  tail: Promise<unknown>;
}

export interface TopicListener {
  /** Somebody here wants to hear of the topic, who is the first. */
  readonly onFirst: (topic: string) => void;
  /** Nobody does any more. */
  readonly onLast: (topic: string) => void;
}

const NOBODY: ReadonlySet<Subscriber> = new Set();

/** Who wants to hear of what: topics are users or conversations. */
export class Subscriptions {
  readonly #listener: TopicListener;
  readonly #topics = new Map<string, Set<Subscriber>>();

  constructor(listener: TopicListener) {
    this.#listener = listener;
  }

  get topics(): number {
    return this.#topics.size;
  }

  /** May be walked in slices while it changes. */
  names(): IterableIterator<string> {
    return this.#topics.keys();
  }

  of(topic: string): ReadonlySet<Subscriber> {
    return this.#topics.get(topic) ?? NOBODY;
  }

  add(subscriber: Subscriber, topic: string): void {
    subscriber.topics.add(topic);
    const subscribers = this.#topics.get(topic);
    if (subscribers !== undefined) {
      subscribers.add(subscriber);
      return;
    }
    this.#topics.set(topic, new Set([subscriber]));
    this.#listener.onFirst(topic);
  }

  remove(subscriber: Subscriber, topic: string): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers?.delete(subscriber) !== true) return;
    subscriber.topics.delete(topic);
    if (subscribers.size > 0) return;
    this.#topics.delete(topic);
    this.#listener.onLast(topic);
  }

  drop(subscriber: Subscriber): void {
    subscriber.dropped = true;
    for (const topic of subscriber.topics) this.remove(subscriber, topic);
  }
}
