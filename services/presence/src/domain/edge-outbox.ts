import type { Clock } from '@godwit/runtime/clock';
import type { Typing, Update } from './ports.js';
import type { UserPresence } from './presence.js';
import type { Subscriber } from './subscriptions.js';
import { TokenBucket } from './token-bucket.js';

/** Typing that is older than this is of no use any more. */
const TYPING_VALID_MS = 3_000;
/** Typing held at most while the budget is spent; what is beyond is lost, as typing may be. */
const MAX_TYPING = 1_000;
/** Updates in one message. */
const MAX_UPDATES = 1_000;

interface HeldTyping {
  readonly typing: Typing;
  readonly handles: Set<number>;
  readonly at: number;
}

export interface EdgeOutboxOptions {
  readonly clock: Clock;
  /** Sockets told in a second at most. */
  readonly perSecond: number;
  /** The user as the subscriber may see them now. */
  readonly view: (userId: string, subscriber: Subscriber) => UserPresence;
  readonly send: (updates: Update[]) => void;
  /** The edge doesn't read: better hold, and merge, than queue. */
  readonly lags: () => boolean;
}

/**
 * What the sockets of one edge are to be told. Of each user only that something changed is held, and for whom; what
 * is told is how things are when it is told. So a storm of changes (a network comes back) costs one update for each
 * user and socket however long it has to wait, and no more memory than there are subscriptions.
 */
export class EdgeOutbox {
  readonly #options: EdgeOutboxOptions;
  readonly #budget: TokenBucket;
  readonly #presence = new Map<string, Set<Subscriber>>();
  readonly #typing = new Map<string, HeldTyping>();

  constructor(options: EdgeOutboxOptions) {
    this.#options = options;
    this.#budget = new TokenBucket(options.perSecond, options.clock.monotonic());
  }

  /** Nothing waits. */
  get empty(): boolean {
    return this.#presence.size === 0 && this.#typing.size === 0;
  }

  get waiting(): number {
    return this.#presence.size + this.#typing.size;
  }

  presenceChanged(userId: string, subscriber: Subscriber): void {
    const subscribers = this.#presence.get(userId);
    if (subscribers === undefined) this.#presence.set(userId, new Set([subscriber]));
    else subscribers.add(subscriber);
  }

  typing(typing: Typing, handle: number): void {
    const key = `${typing.conversationId} ${typing.userId}`;
    const held = this.#typing.get(key);
    const isSame = held?.typing.stopped === typing.stopped;
    if (held === undefined && this.#typing.size >= MAX_TYPING) return;
    const handles = isSame ? held.handles.add(handle) : new Set([handle]);
    this.#typing.set(key, { typing, handles, at: this.#options.clock.monotonic() });
  }

  /** Called each 100 ms: sends what the budget allows, typing first because it ages. */
  flush(): void {
    if (this.empty || this.#options.lags()) return;
    const now = this.#options.clock.monotonic();
    this.#budget.refill(now);
    this.#flushTyping(now);
    this.#flushPresence();
  }

  #flushTyping(now: number): void {
    const updates: Update[] = [];
    for (const [key, { typing, handles, at }] of this.#typing) {
      const isOld = now - at > TYPING_VALID_MS;
      if (!isOld && !this.#budget.take(handles.size)) break;
      this.#typing.delete(key);
      if (!isOld) updates.push({ kind: 'typing', typing, handles: [...handles] });
    }
    if (updates.length > 0) this.#options.send(updates);
  }

  #flushPresence(): void {
    let updates: Update[] = [];
    for (const [userId, subscribers] of this.#presence) {
      const told = this.#takeWithinBudget(subscribers);
      if (told.length === 0 && subscribers.size > 0) break;
      if (subscribers.size === 0) this.#presence.delete(userId);
      updates.push(...this.#updatesOf(userId, told));
      if (updates.length < MAX_UPDATES) continue;
      this.#options.send(updates);
      updates = [];
    }
    if (updates.length > 0) this.#options.send(updates);
  }

  #takeWithinBudget(subscribers: Set<Subscriber>): Subscriber[] {
    const taken: Subscriber[] = [];
    for (const subscriber of subscribers) {
      if (!subscriber.dropped && !this.#budget.take(1)) break;
      subscribers.delete(subscriber);
      if (!subscriber.dropped) taken.push(subscriber);
    }
    return taken;
  }

  /** Subscribers who see the same get it in one update. */
  #updatesOf(userId: string, subscribers: readonly Subscriber[]): Update[] {
    const byView = new Map<string, { presence: UserPresence; handles: number[]; kind: 'presence'; userId: string }>();
    for (const subscriber of subscribers) {
      const presence = this.#options.view(userId, subscriber);
      const key = `${String(presence.online)} ${String(presence.lastSeenMs)}`;
      const update = byView.get(key);
      if (update === undefined) byView.set(key, { kind: 'presence', userId, presence, handles: [subscriber.handle] });
      else update.handles.push(subscriber.handle);
    }
    return [...byView.values()];
  }
}
