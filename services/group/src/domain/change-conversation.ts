import pLimit from 'p-limit';
import { newId } from '@godwit/ids/id';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { Conversation, ConversationDirectory } from './conversation-directory.js';
import type { Change } from './conversation.js';
import { KeyedQueue } from './keyed-queue.js';
import type { Actor, MembershipFacts, MembershipLog, Observations } from './ports.js';
import { Refusal } from './refusal.js';

/** What the rules make of a request: a change and the answer once it is in effect, or the answer alone. */
export interface Decision<T> {
  readonly change: Change | undefined;
  readonly answer: (after: Conversation) => T;
}

export interface ConversationChange<T> {
  readonly conversationId: string;
  readonly actor: Actor;
  /** Where the message of the change is always the same; else each has an id of its own. */
  readonly clientMessageId?: string;
  /** There is most likely no log yet: don't ask for it first. Where there is one, the append says so. */
  readonly isNew?: boolean;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Asked again, with the newer conversation, when another change came first. @throws Refusal */
  readonly decide: (current: Conversation) => Decision<T> | Promise<Decision<T>>;
}

export interface ChangeOptions {
  readonly directory: ConversationDirectory;
  readonly log: MembershipLog;
  readonly facts: MembershipFacts;
  readonly observations: Observations;
}

// Changes of one conversation by one replica queue up, so only those of other replicas can come between.
const ATTEMPTS = 8;
const PAUSE = { minMs: 5, maxMs: 200 };
const MAX_WAITING = 256;
/** Changes of different conversations: each waits for account, router and MongoDB, and more would only wait longer. */
const AT_A_TIME = 32;

/** Decides changes and has them appended to the log, on the version they were decided on or not at all. */
export class ConversationChanges {
  readonly #options: ChangeOptions;
  readonly #queue = new KeyedQueue(MAX_WAITING);
  readonly #limit = pLimit(AT_A_TIME);

  constructor(options: ChangeOptions) {
    this.#options = options;
  }

  run<T>(request: ConversationChange<T>): Promise<T> {
    return this.#queue.run(request.conversationId, () => this.#limit(() => this.#run(request)));
  }

  async #run<T>(request: ConversationChange<T>): Promise<T> {
    const { directory, facts, observations } = this.#options;
    const { conversationId, isNew = false } = request;
    // Whoever asks again after its deadline would else have every change decided several times.
    goOnFor(request);
    let current = await directory.load(conversationId, { storedOnly: isNew });
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      goOnFor(request);
      const { change, answer } = await request.decide(current);
      if (change === undefined) return answer(current);
      const outcome = await this.#append(request, current, change);
      if (outcome.kind === 'stored') {
        facts.changed(conversationId, outcome.after.version);
        return answer(outcome.after);
      }
      observations.decidedAgain();
      if (attempt > 0) await sleep(fullJitter(PAUSE, attempt), request.signal);
      current = await directory.load(conversationId, { minVersion: outcome.version });
    }
    throw new Refusal('unavailable', 'CONCURRENT_CHANGES', { message: 'others keep changing this conversation' });
  }

  async #append<T>(
    { conversationId, actor, clientMessageId = newId() }: ConversationChange<T>,
    base: Conversation,
    change: Change,
  ): Promise<{ kind: 'stored'; after: Conversation } | { kind: 'stale'; version: number }> {
    const { directory, log } = this.#options;
    const outcome = await log.append({ conversationId, clientMessageId, actor, basedOn: base.version, change });
    // The log has moved on, or it says no more than that it has something: then it is at least one further.
    if (outcome.kind === 'stale') return { kind: 'stale', version: Math.max(outcome.version, base.version + 1) };
    const { seq, serverTime, duplicate } = outcome;
    const after = duplicate
      ? await directory.load(conversationId, { minVersion: seq })
      : await directory.record(base, { seq, serverTime, change });
    return { kind: 'stored', after };
  }
}

/** @throws Refusal when the caller has gone */
const goOnFor = ({ signal }: Pick<ConversationChange<unknown>, 'signal'>): void => {
  if (signal?.aborted !== true) return;
  throw new Refusal('unavailable', 'GIVEN_UP', { message: 'the caller has gone before its change was decided' });
};
