import type { Clock } from '@godwit/runtime/clock';
import { Sojourn } from '@godwit/runtime/sojourn';
import type { Appended, Appender, AppendItem, AppendOutcome } from './appender.js';
import { checkExpiry, checkMessage, type ContentLimits, type SendCommand } from './content.js';
import { isAdmin, peerIn, refusalToWrite, type ConversationView } from './conversation.js';
import type { Conversations } from './conversations.js';
import {
  conversationNotFound,
  invalid,
  notAMember,
  overloaded,
  targetRefused,
  unavailable,
  userNotFound,
} from './refusal.js';
import type { MessageEvents } from './message-events.js';
import type { Refusal } from './refusal.js';
import type { Relation } from './ports.js';
import type { Relations } from './relations.js';

export type SendOutcome =
  | { readonly type: 'stored'; readonly seq: number; readonly serverTimeMs: number; readonly duplicate: boolean }
  | { readonly type: 'refused'; readonly refusal: Refusal };

export interface EncodedMessage {
  readonly envelope: Uint8Array;
  readonly bodyHash: Uint8Array;
}

/** Makes the bytes that every layer and recipient gets, and the hash by which a retry is told from another message. */
export type EncodeMessage = (command: SendCommand) => EncodedMessage;

/** What was stored, for fan-out. */
export type OnStored = (item: AppendItem, appended: Appended) => void;

export interface IngressOptions {
  readonly conversations: Conversations;
  readonly relations: Relations;
  readonly appender: Appender;
  readonly encode: EncodeMessage;
  readonly onStored: OnStored;
  readonly events: Pick<MessageEvents, 'sent'>;
  readonly clock: Clock;
  /** Messages that are stored and not yet with everybody. */
  readonly pendingFanOuts: () => number;
  /** What is stored reaches people too late. */
  readonly isLagging: () => boolean;
  readonly limits: ContentLimits & { readonly maxPendingSends: number; readonly maxPendingFanOuts: number };
}

interface PendingSend {
  readonly command: SendCommand;
  readonly reply: (outcome: SendOutcome) => void;
  encoded: EncodedMessage | undefined;
  /** Why the sender would be refused, while its message is looked up. */
  refusal: Refusal | undefined;
  /** The log is known to be at least here. */
  minVersion: number;
  /** How often the membership had moved on. */
  stale: number;
}

const MAX_STALE = 5;
const OVERLOADED_RETRY_MS = 500;
/** Far above what a store needs, far below the time after which an edge asks again (3 s). */
const SOJOURN = { targetMs: 1_500, windowMs: 100 };
const STUCK_MS = 2_500;
const STUCK_QUEUE = 512;
/** Fewer than this are no queue, however long they take. */
const MIN_QUEUE = 64;

/**
 * Takes messages in: may this user write this here? Stored means acked: whoever would be refused for what has changed
 * since (removed, blocked, too late) is first looked up by its id. No promise for a message whose conversation is known.
 */
export class Ingress {
  readonly #options: IngressOptions;
  /** Sends that wait for what is not known yet, by conversation. */
  readonly #lines = new Map<string, PendingSend[]>();
  readonly #sojourn: Sojourn;
  /** Oldest first. */
  readonly #accepted = new Set<{ readonly acceptedAt: number }>();
  #pending = 0;

  constructor(options: IngressOptions) {
    this.#options = options;
    this.#sojourn = new Sojourn({ now: () => options.clock.monotonic(), ...SOJOURN });
  }

  /** Sends without an outcome yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Replies exactly once. */
  send(command: SendCommand, reply: (outcome: SendOutcome) => void): void {
    const wrong = checkMessage(command, this.#options.limits);
    const refusal = wrong ?? (this.#isFull() ? overloaded(OVERLOADED_RETRY_MS) : undefined);
    if (refusal === undefined) this.#accept(command, reply);
    else {
      const outcome: SendOutcome = { type: 'refused', refusal };
      reply(outcome);
      this.#options.events.sent(command, outcome, 0);
    }
  }

  #isFull(): boolean {
    const { limits, pendingFanOuts, isLagging } = this.#options;
    if (this.#pending >= limits.maxPendingSends || pendingFanOuts() >= limits.maxPendingFanOuts) return true;
    // What waits too long is asked again by whoever waits for it, and comes on top of what is too much already.
    return (this.#pending >= MIN_QUEUE && (this.#sojourn.isStanding || this.#isStuck())) || isLagging();
  }

  /** Nothing has come through for so long that what is taken now would only pile up. */
  #isStuck(): boolean {
    if (this.#pending < STUCK_QUEUE) return false;
    const [oldest] = this.#accepted;
    return oldest !== undefined && this.#options.clock.monotonic() - oldest.acceptedAt > STUCK_MS;
  }

  #accept(command: SendCommand, reply: (outcome: SendOutcome) => void): void {
    this.#pending++;
    const { clock, events } = this.#options;
    const accepted = { acceptedAt: clock.monotonic() };
    this.#accepted.add(accepted);
    const counted = (outcome: SendOutcome): void => {
      this.#pending--;
      this.#accepted.delete(accepted);
      const tookMs = clock.monotonic() - accepted.acceptedAt;
      if (outcome.type === 'stored') this.#sojourn.record(tookMs);
      reply(outcome);
      events.sent(command, outcome, tookMs);
    };
    const send: PendingSend = {
      command,
      reply: counted,
      encoded: undefined,
      refusal: undefined,
      minVersion: 0,
      stale: 0,
    };
    if (isPrivateOfOthers(command)) refuse(send, notAMember);
    else this.#decide(send);
  }

  /** At once where everything is known; else in line, so that no message overtakes an earlier one of its conversation. */
  #decide(send: PendingSend): void {
    const { conversationId } = send.command;
    const line = this.#lines.get(conversationId);
    if (line !== undefined) line.push(send);
    else if (!this.#decideNow(send)) {
      const begun = [send];
      this.#lines.set(conversationId, begun);
      void this.#workOff(conversationId, begun);
    }
  }

  async #workOff(conversationId: string, line: PendingSend[]): Promise<void> {
    // The line grows while it is worked off.
    for (const send of line) {
      try {
        if (!this.#decideNow(send)) await this.#decideSlowly(send);
      } catch {
        // `group` can't be asked: the same for all who wait for it.
        const refusal = unavailable('the members of this conversation can not be read now');
        for (const waiting of line.splice(line.indexOf(send))) refuse(waiting, refusal);
      }
    }
    this.#lines.delete(conversationId);
  }

  /** False: something has to be asked first. */
  #decideNow(send: PendingSend): boolean {
    const { conversations, relations } = this.#options;
    const { conversationId, userId } = send.command;
    const view = conversations.peek(conversationId, send.minVersion);
    if (view === undefined) return false;
    const peer = peerIn(conversationId, userId);
    const refusal = this.#refusalIn(send, view);
    if (refusal !== undefined || peer === undefined) {
      this.#append(send, view, refusal);
      return true;
    }
    const relation = relations.peek({ owner: peer, other: userId });
    if (relation === undefined) return false;
    this.#append(send, view, refusalOf(relation));
    return true;
  }

  async #decideSlowly(send: PendingSend): Promise<void> {
    const { conversations, relations } = this.#options;
    const { conversationId, userId } = send.command;
    const loaded = await conversations.get(conversationId, { minVersion: send.minVersion, create: true });
    if (!loaded.found) {
      refuse(send, loaded.refusal);
      return;
    }
    const peer = peerIn(conversationId, userId);
    const refusal = this.#refusalIn(send, loaded.view);
    if (refusal !== undefined || peer === undefined) this.#append(send, loaded.view, refusal);
    else this.#append(send, loaded.view, refusalOf(await relations.get({ owner: peer, other: userId })));
  }

  #refusalIn({ command }: PendingSend, view: ConversationView): Refusal | undefined {
    return checkExpiry(command, this.#options.clock.now()) ?? refusalToWrite(view, command);
  }

  #append(send: PendingSend, view: ConversationView, refusal: Refusal | undefined): void {
    const { command } = send;
    send.encoded ??= this.#options.encode(command);
    send.refusal = refusal;
    const item: AppendItem = {
      conversationId: command.conversationId,
      senderUserId: command.userId,
      senderDeviceId: command.deviceId,
      clientMessageId: command.clientMessageId,
      kind: command.kind,
      targetSeq: command.targetSeq,
      mediaIds: command.mediaIds,
      expiresAtMs: command.expiresAtMs,
      membershipVersion: view.version,
      envelope: send.encoded.envelope,
      bodyHash: send.encoded.bodyHash,
      retry: command.retry || send.stale > 0,
      lookupOnly: refusal !== undefined,
      senderIsAdmin: isAdmin(view, command.userId),
      traceparent: command.traceparent,
    };
    this.#options.appender.append(item, (outcome) => {
      this.#onOutcome(send, item, outcome);
    });
  }

  #onOutcome(send: PendingSend, item: AppendItem, outcome: AppendOutcome): void {
    switch (outcome.type) {
      case 'appended': {
        const { seq, serverTimeMs, duplicate } = outcome;
        // Fan-out is planned at the end of this turn. Asked for first, it is planned before the frame with the ack leaves,
        // and its deliveries go in the same one: a frame costs more than what is in it.
        this.#options.onStored(item, outcome);
        send.reply({ type: 'stored', seq, serverTimeMs, duplicate });
        return;
      }
      case 'stale':
        this.#onStale(send, outcome.membershipVersion);
        return;
      case 'id-reused':
        refuse(send, {
          reason: 'CLIENT_MESSAGE_ID_REUSED',
          field: 'client_message_id',
          message: 'another message of the sender has this id',
          stored: { seq: outcome.seq, serverTimeMs: outcome.serverTimeMs, bodyHash: outcome.bodyHash },
        });
        return;
      case 'target-refused':
        refuse(send, targetRefused(outcome.reason));
        return;
      case 'not-found':
        refuse(send, send.refusal ?? conversationNotFound);
        return;
      case 'malformed':
        refuse(send, invalid(outcome.field, outcome.problem));
        return;
      case 'unavailable': {
        const message = 'it is not known whether the message was stored: send it again with the same id';
        refuse(send, unavailable(message, outcome.retryAfterMs));
        return;
      }
    }
  }

  /** The members have changed since they were read: read them again and decide again. */
  #onStale(send: PendingSend, version: number): void {
    send.stale++;
    if (send.stale > MAX_STALE) refuse(send, unavailable('the members of this conversation keep changing'));
    else {
      this.#options.conversations.noteVersion(send.command.conversationId, version);
      send.minVersion = Math.max(version, 1);
      this.#decide(send);
    }
  }
}

const refuse = (send: PendingSend, refusal: Refusal): void => {
  send.reply({ type: 'refused', refusal });
};

const isPrivateOfOthers = ({ conversationId, userId }: SendCommand): boolean =>
  conversationId.startsWith('p:') && peerIn(conversationId, userId) === undefined;

/** What the other's relation to the sender says of a private message; unknown: the account service is away. */
const refusalOf = (relation: Relation | undefined): Refusal | undefined => {
  if (relation === undefined) return unavailable('whether the recipient takes messages can not be read now');
  if (!relation.ownerExists) return userNotFound;
  if (!relation.blocked) return undefined;
  return { reason: 'BLOCKED', field: 'conversation_id', message: 'the recipient does not take messages of this user' };
};
