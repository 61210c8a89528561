import { isConversationId, parseConversation } from '@godwit/ids/conversation';
import { isId } from '@godwit/ids/id';
import type { MembersCache } from './members-cache.js';
import type { Broadcast, RelationQuery, Typing } from './ports.js';
import { changed, UNKNOWN, type UserPresence } from './presence.js';
import type { PresenceReader } from './presence-reader.js';
import { isNoticeable, viewOf } from './privacy.js';
import type { RightsCache } from './rights-cache.js';
import { SharedBatches } from './shared-batches.js';
import { Subscriptions, type Subscriber } from './subscriptions.js';

export interface SubscribeRequest {
  readonly userIds: readonly string[];
  readonly conversationIds: readonly string[];
}

/** Why a subscription was refused; nothing of it was done. */
export interface Refusal {
  readonly reason: 'INVALID_ARGUMENT' | 'NOT_CONNECTED' | 'NOT_A_MEMBER' | 'TOO_MANY_SUBSCRIPTIONS' | 'UNAVAILABLE';
  readonly field: string;
}

export interface PresenceHubOptions {
  readonly maxSubscriptions: number;
  readonly reader: PresenceReader;
  readonly rights: RightsCache;
  readonly members: MembersCache;
  readonly broadcast: Broadcast;
}

/** Users read at once when many are to be read. */
const READ_BATCH = 500;
const READS_IN_FLIGHT = 4;

/** Who here wants to hear of whom, and how those are: takes changes in, decides who may notice, tells the edges. */
export class PresenceHub {
  readonly #options: PresenceHubOptions;
  readonly #users: Subscriptions;
  readonly #conversations: Subscriptions;
  /** How the users are whom somebody here wants to hear of. */
  readonly #known = new Map<string, UserPresence>();
  readonly #learning: SharedBatches<string>;
  #followedNow = new Set<string>();
  #followedBefore = new Set<string>();

  constructor(options: PresenceHubOptions) {
    this.#options = options;
    const { broadcast } = options;
    this.#learning = new SharedBatches({
      maxItems: READ_BATCH,
      maxInFlight: READS_IN_FLIGHT,
      run: (userIds) => this.#learn(userIds),
    });
    this.#users = new Subscriptions(
      followWith(
        (userId) => {
          this.#followedNow.add(userId);
          return broadcast.followUser(userId);
        },
        (userId) => this.#known.delete(userId),
      ),
    );
    this.#conversations = new Subscriptions(followWith((id) => broadcast.followTyping(id)));
  }

  get topics(): number {
    return this.#users.topics + this.#conversations.topics;
  }

  /** Users somebody here wants to hear of. May be walked in slices. */
  followed(): IterableIterator<string> {
    return this.#users.names();
  }

  /** Subscribes a socket to all of it or to nothing. The current presence of the users comes as updates. */
  async subscribe(subscriber: Subscriber, request: SubscribeRequest): Promise<Refusal | undefined> {
    const previous = subscriber.tail;
    const work = previous.then(() => this.#subscribe(subscriber, request));
    // One that fails must not hold up the next; its own caller hears of it.
    subscriber.tail = work.catch(() => undefined);
    return work;
  }

  unsubscribe(subscriber: Subscriber, { userIds, conversationIds }: SubscribeRequest): void {
    subscriber.tail = subscriber.tail.then(() => {
      for (const userId of userIds) this.#users.remove(subscriber, userId);
      for (const conversationId of conversationIds) this.#conversations.remove(subscriber, conversationId);
    });
  }

  /** The socket has gone. */
  drop(subscriber: Subscriber): void {
    this.#users.drop(subscriber);
    this.#conversations.drop(subscriber);
  }

  /** A user has come or gone, here or at another replica. */
  async onPresence(userId: string, change: UserPresence): Promise<void> {
    const subscribers = this.#users.of(userId);
    if (subscribers.size === 0) return;
    const before = this.#known.get(userId) ?? UNKNOWN;
    const after = changed(before, change);
    this.#known.set(userId, after);
    if (before.online === after.online && before.lastSeenMs === after.lastSeenMs) return;
    await this.#options.rights.ensure(pairsOf(userId, subscribers));
    for (const subscriber of subscribers) {
      const rights = this.#options.rights.peek({ subject: userId, viewer: subscriber.viewer });
      if (isNoticeable(before, after, rights)) subscriber.outbox.presenceChanged(userId, subscriber);
    }
  }

  /** Somebody types here or at another replica, or has stopped. */
  async onTyping(typing: Typing): Promise<void> {
    const subscribers = this.#conversations.of(typing.conversationId);
    if (subscribers.size === 0) return;
    const members = await this.#options.members.of(typing.conversationId);
    if (members?.has(typing.userId) !== true) return;
    const mayHear = await this.#mayHear(typing);
    for (const { outbox, handle, viewer, dropped } of subscribers) {
      const concerned = !dropped && viewer !== typing.userId && members.has(viewer);
      if (concerned && mayHear) outbox.typing(typing, handle);
    }
  }

  /** A user's privacy settings, contacts or blocks have changed. */
  async onRelations(subject: string, other: string | undefined): Promise<void> {
    this.#options.rights.changed(subject, other);
    const concerned = [...this.#users.of(subject)].filter(({ viewer }) => other === undefined || viewer === other);
    if (concerned.length === 0) return;
    await this.#options.rights.ensure(pairsOf(subject, concerned));
    for (const subscriber of concerned) subscriber.outbox.presenceChanged(subject, subscriber);
  }

  /** The user as a socket of somebody may see them now. */
  view(userId: string, { viewer }: Pick<Subscriber, 'viewer'>): UserPresence {
    return viewOf(this.#known.get(userId) ?? UNKNOWN, this.#options.rights.peek({ subject: userId, viewer }));
  }

  /** The presence of some users as somebody may see it. */
  async read(viewer: string, userIds: readonly string[]): Promise<readonly UserPresence[]> {
    const pairs = userIds.map((subject) => ({ subject, viewer }));
    const [presences] = await Promise.all([this.#options.reader.read(userIds), this.#options.rights.ensure(pairs)]);
    return pairs.map((pair, index) => viewOf(presences[index] ?? UNKNOWN, this.#options.rights.peek(pair)));
  }

  /**
   * Called each second: the users who were first followed one to two seconds ago. News of them may have passed between
   * the look at how they were and the moment the other replicas' news began to arrive.
   */
  takeNewlyFollowed(): string[] {
    const users = [...this.#followedBefore].filter((userId) => this.#users.of(userId).size > 0);
    this.#followedBefore = this.#followedNow;
    this.#followedNow = new Set();
    return users;
  }

  /** News of these may have been missed: looks how they are. */
  async refresh(userIds: readonly string[]): Promise<void> {
    for (let from = 0; from < userIds.length; from += READ_BATCH)
      await this.#refresh(userIds.slice(from, from + READ_BATCH));
  }

  async #refresh(userIds: readonly string[]): Promise<void> {
    const before = userIds.map((userId) => this.#known.get(userId));
    const presences = await this.#options.reader.tryRead(userIds);
    if (presences === undefined) return;
    for (const [index, userId] of userIds.entries()) {
      const presence = presences[index];
      // News that came while we read is newer.
      if (presence !== undefined && this.#known.get(userId) === before[index]) await this.onPresence(userId, presence);
    }
  }

  async #subscribe(
    subscriber: Subscriber,
    { userIds, conversationIds }: SubscribeRequest,
  ): Promise<Refusal | undefined> {
    const refusal =
      this.#check(subscriber, { userIds, conversationIds }) ?? (await this.#checkMember(subscriber, conversationIds));
    if (refusal !== undefined) return refusal;
    if (subscriber.dropped) return { reason: 'NOT_CONNECTED', field: 'handle' };
    for (const conversationId of conversationIds) this.#conversations.add(subscriber, conversationId);
    const unknown = userIds.filter((userId) => !this.#known.has(userId));
    for (const userId of userIds) this.#users.add(subscriber, userId);
    await Promise.all([
      ...unknown.map((userId) => this.#learning.load(userId, userId)),
      this.#options.rights.ensure(userIds.map((subject) => ({ subject, viewer: subscriber.viewer }))),
    ]);
    for (const userId of userIds) subscriber.outbox.presenceChanged(userId, subscriber);
    return undefined;
  }

  #check(subscriber: Subscriber, { userIds, conversationIds }: SubscribeRequest): Refusal | undefined {
    const badUser = userIds.findIndex((userId) => !isId(userId));
    if (badUser >= 0) return { reason: 'INVALID_ARGUMENT', field: `user_ids[${String(badUser)}]` };
    const badConversation = conversationIds.findIndex((conversationId) => !isConversationId(conversationId));
    if (badConversation >= 0)
      return { reason: 'INVALID_ARGUMENT', field: `conversation_ids[${String(badConversation)}]` };
    const added = new Set([...userIds, ...conversationIds].filter((topic) => !subscriber.topics.has(topic)));
    if (subscriber.topics.size + added.size <= this.#options.maxSubscriptions) return undefined;
    return { reason: 'TOO_MANY_SUBSCRIPTIONS', field: userIds.length > 0 ? 'user_ids' : 'conversation_ids' };
  }

  async #checkMember({ viewer }: Subscriber, conversationIds: readonly string[]): Promise<Refusal | undefined> {
    const members = await Promise.all(
      conversationIds.map((conversationId) => this.#options.members.of(conversationId)),
    );
    const refused = members.findIndex((users) => users?.has(viewer) !== true);
    if (refused < 0) return undefined;
    const reason = members[refused] === undefined ? 'UNAVAILABLE' : 'NOT_A_MEMBER';
    return { reason, field: `conversation_ids[${String(refused)}]` };
  }

  async #learn(userIds: readonly string[]): Promise<void> {
    const presences = await this.#options.reader.read(userIds);
    userIds.forEach((userId, index) => {
      const read = presences[index];
      if (read === undefined || this.#users.of(userId).size === 0) return;
      // News that came while we read is newer, but may know less of when the user was last seen.
      const news = this.#known.get(userId);
      this.#known.set(userId, news === undefined ? read : changed(read, news));
    });
  }

  /** In a private conversation neither may have blocked the other; in groups everybody hears everybody. */
  async #mayHear({ conversationId, userId }: Typing): Promise<boolean> {
    const conversation = parseConversation(conversationId);
    if (conversation?.kind !== 'private') return true;
    const [a, b] = conversation.users;
    const peer = userId === a ? b : a;
    const pairs = [
      { subject: userId, viewer: peer },
      { subject: peer, viewer: userId },
    ];
    await this.#options.rights.ensure(pairs);
    return pairs.every((pair) => this.#options.rights.peek(pair).typing);
  }
}

const pairsOf = (subject: string, subscribers: Iterable<Subscriber>): RelationQuery[] =>
  Array.from(subscribers, ({ viewer }) => ({ subject, viewer }));

/** Follows a topic at the other replicas while somebody here wants to hear of it. */
const followWith = (follow: (topic: string) => () => void, onLast?: (topic: string) => void) => {
  const stops = new Map<string, () => void>();
  return {
    onFirst: (topic: string): void => {
      stops.set(topic, follow(topic));
    },
    onLast: (topic: string): void => {
      stops.get(topic)?.();
      stops.delete(topic);
      onLast?.(topic);
    },
  };
};
