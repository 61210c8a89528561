import type { Clock } from '@godwit/runtime/clock';
import { Sojourn } from '@godwit/runtime/sojourn';
import type { ConversationView } from './conversation.js';
import type { Conversations } from './conversations.js';
import type { MessageEvents } from './message-events.js';
import { MAX_HANDLES, type Edges, type Target } from './edges.js';
import type { Session, Wake } from './ports.js';
import { groupByEdge, isWaking, recipientsOf, targetsOf, type FanOutMessage, type Recipient } from './recipients.js';
import type { Redelivery } from './redelivery.js';
import type { Sessions } from './sessions.js';

export interface FanOutOptions {
  readonly conversations: Conversations;
  readonly sessions: Sessions;
  readonly edges: Edges;
  readonly redelivery: Redelivery;
  readonly wake: (wake: Wake) => void;
  readonly events: Pick<MessageEvents, 'announced' | 'fannedOut'>;
  readonly clock: Clock;
  /** How long a device that is said to be connected is looked for. */
  readonly patienceMs: number;
}

/** True: everybody was reached, or is not connected. False: it could not be tried. */
export type Settled = (reached: boolean) => void;

/** A message on its way. */
interface Job {
  readonly message: FanOutMessage;
  readonly settled: Settled[];
  readonly endsAt: number;
  /** Devices (and, once, the planning itself) that are not settled. */
  open: number;
  view: ConversationView | undefined;
}

/** The messages of one conversation that are on their way. */
interface Conversation {
  readonly jobs: Map<number, Job>;
  queue: Job[];
  planning: boolean;
}

const VIEW_RETRY_MS = 500;
/** Below the time after which the store has somebody fan out once more (3 s). */
const SOJOURN = { targetMs: 2_000, windowMs: 200 };
const MIN_QUEUE = 256;

/**
 * Brings stored messages to the sockets of their recipients: members -> sessions -> one delivery for each edge, in the
 * order of the conversation. Devices that are not where they were said to be are looked for; users who are not
 * connected are woken. The same message twice at a time is one.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #conversations = new Map<string, Conversation>();
  #scheduled: Conversation[] = [];
  #jobs = 0;
  readonly #sojourn: Sojourn;

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#sojourn = new Sojourn({ now: () => options.clock.monotonic(), ...SOJOURN });
  }

  /** Messages on their way. */
  get pending(): number {
    return this.#jobs;
  }

  /** More is stored than can be brought to people. */
  get isLagging(): boolean {
    return this.#jobs >= MIN_QUEUE && this.#sojourn.isStanding;
  }

  submit(message: FanOutMessage, settled: Settled): void {
    const conversation = this.#conversationOf(message.conversationId);
    const running = conversation.jobs.get(message.seq);
    if (running !== undefined) {
      running.settled.push(settled);
      return;
    }
    const endsAt = this.#options.clock.monotonic() + this.#options.patienceMs;
    const job: Job = { message, settled: [settled], endsAt, open: 1, view: undefined };
    conversation.jobs.set(message.seq, job);
    conversation.queue.push(job);
    this.#jobs++;
    if (!conversation.planning) this.#schedule(conversation);
  }

  isUnderWay(conversationId: string, seq: number): boolean {
    return this.#conversations.get(conversationId)?.jobs.has(seq) === true;
  }

  /** Tells how a message on its way ends; false when it isn't on its way. */
  follow(conversationId: string, seq: number, settled: Settled): boolean {
    const job = this.#conversations.get(conversationId)?.jobs.get(seq);
    job?.settled.push(settled);
    return job !== undefined;
  }

  #conversationOf(conversationId: string): Conversation {
    let conversation = this.#conversations.get(conversationId);
    if (conversation === undefined) {
      conversation = { jobs: new Map(), queue: [], planning: false };
      this.#conversations.set(conversationId, conversation);
    }
    return conversation;
  }

  /** At the end of this turn: acks go out first, and what was stored together is looked up together. */
  #schedule(conversation: Conversation): void {
    conversation.planning = true;
    this.#scheduled.push(conversation);
    if (this.#scheduled.length > 1) return;
    setImmediate(() => {
      const scheduled = this.#scheduled;
      this.#scheduled = [];
      for (const next of scheduled) this.#plan(next);
    });
  }

  #plan(conversation: Conversation): void {
    const jobs = conversation.queue;
    conversation.queue = [];
    const first = jobs[0];
    if (first === undefined) {
      conversation.planning = false;
      return;
    }
    const version = jobs.reduce((highest, { message }) => Math.max(highest, message.membershipVersion), 0);
    const view = this.#options.conversations.peek(first.message.conversationId, version);
    const known = view === undefined ? undefined : this.#knownSessions(view, jobs);
    if (view !== undefined && known !== undefined) {
      this.#handOver(jobs, view, known);
      this.#planned(conversation);
      return;
    }
    void this.#planSlowly(jobs, version).finally(() => {
      this.#planned(conversation);
    });
  }

  #planned(conversation: Conversation): void {
    conversation.planning = false;
    if (conversation.queue.length > 0) this.#schedule(conversation);
  }

  async #planSlowly(jobs: readonly Job[], version: number): Promise<void> {
    const view = await this.#viewOf(jobs, version);
    if (view === undefined) {
      for (const job of jobs) this.#finish(job, false);
      return;
    }
    const users = new Set<string>();
    for (const { message } of jobs) for (const { userId } of recipientsOf(view, message.seq)) users.add(userId);
    this.#handOver(jobs, view, await this.#options.sessions.resolve([...users]));
  }

  /** The members, at least at the version; undefined when they can't be read for as long as it is worth waiting. */
  async #viewOf(jobs: readonly Job[], version: number): Promise<ConversationView | undefined> {
    const conversationId = jobs[0]?.message.conversationId ?? '';
    const endsAt = jobs[0]?.endsAt ?? 0;
    for (;;) {
      try {
        const loaded = await this.#options.conversations.get(conversationId, { minVersion: version });
        return loaded.found ? loaded.view : undefined;
      } catch {
        // `group` is away. Whoever stored the message asks another router if this one takes too long.
        if (this.#options.clock.monotonic() + VIEW_RETRY_MS > endsAt) return undefined;
        await new Promise((resolve) => setTimeout(resolve, VIEW_RETRY_MS));
      }
    }
  }

  /** All recipients' sessions, if none of them has to be asked for. */
  #knownSessions(view: ConversationView, jobs: readonly Job[]): Map<string, readonly Session[]> | undefined {
    const known = new Map<string, readonly Session[]>();
    for (const { message } of jobs) {
      for (const { userId } of recipientsOf(view, message.seq)) {
        if (known.has(userId)) continue;
        const sessions = this.#options.sessions.peek(userId);
        if (sessions === undefined) return undefined;
        known.set(userId, sessions);
      }
    }
    return known;
  }

  #handOver(jobs: readonly Job[], view: ConversationView, sessions: ReadonlyMap<string, readonly Session[]>): void {
    for (const job of jobs) {
      job.view = view;
      const targets: Target[] = [];
      const recipients = recipientsOf(view, job.message.seq);
      let offline = 0;
      for (const recipient of recipients) {
        const found = sessions.get(recipient.userId);
        if (found === undefined) this.#lookAgain(job, recipient, 0);
        else if (found.length === 0) {
          offline++;
          this.#wake(job, recipient.userId);
        } else targets.push(...targetsOf(job.message, recipient, found));
      }
      this.#options.events.announced(job.message, recipients.length, offline);
      this.#deliver(job, targets, 0);
      this.#settle(job, 1);
    }
  }

  #deliver(job: Job, targets: readonly Target[], attempt: number): void {
    job.open += targets.length;
    for (const group of groupByEdge(targets)) {
      for (let start = 0; start < group.length; start += MAX_HANDLES) {
        this.#deliverTo(job, group.slice(start, start + MAX_HANDLES), attempt);
      }
    }
  }

  #deliverTo(job: Job, targets: readonly Target[], attempt: number): void {
    const first = targets[0];
    const edge = first === undefined ? undefined : this.#options.edges.find(first);
    const answered = (notHere: readonly Target[] | 'no-answer'): void => {
      const missed = notHere === 'no-answer' ? targets : notHere;
      for (const target of missed) this.#seek(job, target, attempt);
      this.#settle(job, targets.length - missed.length);
      this.#options.events.fannedOut(job.message, {
        edgeId: first?.edgeId ?? '',
        sockets: targets.length,
        took: targets.length - missed.length,
        attempt: attempt + 1,
      });
    };
    if (edge?.deliver({ message: job.message, targets, answered }) !== true) answered('no-answer');
  }

  /** A device was not reached: where is it now? */
  #seek(job: Job, target: Target, attempt: number): void {
    const { userId } = target;
    this.#options.sessions.forget(userId);
    this.#options.redelivery.schedule({
      userId,
      target,
      attempt,
      endsAt: job.endsAt,
      found: (sessions) => {
        const late = this.#options.clock.monotonic() >= job.endsAt;
        const again = sessions?.find(({ deviceId }) => deviceId === target.deviceId);
        if (late || sessions?.length === 0) this.#wake(job, userId);
        else if (again !== undefined) this.#deliver(job, [{ ...target, ...again }], attempt + 1);
        else if (sessions === undefined) {
          this.#seek(job, target, attempt + 1);
          return;
        }
        // What is left: the device is gone and others of the user are there; they have their own deliveries.
        this.#settle(job, 1);
      },
    });
  }

  /** The sessions of a recipient could not be looked up. */
  #lookAgain(job: Job, recipient: Recipient, attempt: number): void {
    job.open++;
    const { userId } = recipient;
    this.#options.redelivery.schedule({
      userId,
      target: undefined,
      attempt,
      endsAt: job.endsAt,
      found: (sessions) => {
        const late = this.#options.clock.monotonic() >= job.endsAt;
        if (sessions !== undefined && sessions.length > 0) {
          this.#deliver(job, targetsOf(job.message, recipient, sessions), attempt + 1);
        } else if (sessions?.length === 0 || late) this.#wake(job, userId);
        else this.#lookAgain(job, recipient, attempt + 1);
        this.#settle(job, 1);
      },
    });
  }

  #wake({ message, view }: Job, userId: string): void {
    const member = view?.members.get(userId);
    if (member === undefined || !isWaking(message, { ...member, userId }, this.#options.clock.now())) return;
    const { conversationId, seq, senderUserId, kind, serverTimeMs, traceparent } = message;
    this.#options.wake({ userId, conversationId, seq, senderUserId, kind, serverTimeMs, traceparent });
  }

  #settle(job: Job, count: number): void {
    job.open -= count;
    if (job.open === 0 && count > 0) this.#finish(job, true);
  }

  #finish(job: Job, reached: boolean): void {
    const { conversationId, seq } = job.message;
    const conversation = this.#conversations.get(conversationId);
    if (conversation?.jobs.delete(seq) !== true) return;
    this.#jobs--;
    const { clock, patienceMs } = this.#options;
    this.#sojourn.record(clock.monotonic() - (job.endsAt - patienceMs));
    if (conversation.jobs.size === 0) this.#conversations.delete(conversationId);
    for (const settled of job.settled) settled(reached);
  }
}
