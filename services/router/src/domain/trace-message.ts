import { isConversationId } from '@godwit/ids/conversation';
import { isId } from '@godwit/ids/id';
import type { Conversations } from './conversations.js';
import type { MessageKey } from './message-events.js';
import type { Head, MessageLog } from './ports.js';
import { recipientsOf } from './recipients.js';
import { conversationNotFound, invalid, Refused } from './refusal.js';
import { stepsOf, type EventsRead, type Noticed, type Step } from './trace.js';

export interface EventsOfMessage {
  readonly noticed: readonly Noticed[];
  readonly read: EventsRead;
}

/** What was noticed of messages in the last days. */
export interface EventHistory {
  /** In the order it was stored; never rejects. `atMs`: when the message was stored. */
  of(message: MessageKey, atMs: number): Promise<EventsOfMessage>;
}

export interface TraceMessageOptions {
  readonly log: Pick<MessageLog, 'heads' | 'messageState' | 'memberCursors'>;
  readonly conversations: Conversations;
  readonly events: EventHistory;
}

export interface TraceQuery extends MessageKey {
  /** Only this recipient; empty: all, up to MAX_RECIPIENTS. */
  readonly userId: string;
}

export interface Trace {
  readonly steps: readonly Step[];
  readonly eventsRead: EventsRead;
  /** 0: not known. */
  readonly recipients: number;
  readonly leftOut: number;
}

/** Recipients whose steps one answer has. */
const MAX_RECIPIENTS = 100;

const check = ({ conversationId, seq, userId }: TraceQuery): void => {
  if (!isConversationId(conversationId)) throw new Refused(invalid('conversation_id', 'is not a conversation id'));
  if (!Number.isSafeInteger(seq) || seq < 1) throw new Refused(invalid('seq', 'is not a seq'));
  if (userId !== '' && !isId(userId)) throw new Refused(invalid('user_id', 'is not a user id'));
};

/** Where is my message? Refusals are thrown as Refused; it rejects when the log can't be asked. */
export class TraceMessage {
  readonly #options: TraceMessageOptions;

  constructor(options: TraceMessageOptions) {
    this.#options = options;
  }

  async trace(query: TraceQuery): Promise<Trace> {
    check(query);
    const { conversationId, seq, userId } = query;
    const { log, events } = this.#options;
    const head = (await log.heads([conversationId])).get(conversationId);
    if (head === undefined) throw new Refused(conversationNotFound);
    if (seq > head.headSeq) {
      const message = `the conversation has come to ${String(head.headSeq)} only`;
      throw new Refused({ reason: 'MESSAGE_NOT_FOUND', field: 'seq', message });
    }
    const [found, all] = await Promise.all([log.messageState(conversationId, seq), this.#recipients(query, head)]);
    const passedOver = found === 'passed-over';
    const state = passedOver ? undefined : found;
    const asked = userId === '' ? all : all?.filter((recipient) => recipient === userId);
    const recipients = asked?.slice(0, MAX_RECIPIENTS);
    const [cursors, { noticed, read }] = await Promise.all([
      log.memberCursors(conversationId, recipients ?? []),
      events.of(query, state?.serverTimeMs ?? 0),
    ]);
    const concerned = userId === '' ? noticed : noticed.filter((one) => isOf(one, userId));
    const known = { seq, head, state, passedOver, recipients, cursors, noticed: concerned, eventsRead: read };
    const leftOut = (asked?.length ?? 0) - (recipients?.length ?? 0);
    return { steps: stepsOf(known), eventsRead: read, recipients: all?.length ?? 0, leftOut };
  }

  /** Undefined: the members can't be read now. */
  async #recipients({ conversationId, seq }: TraceQuery, head: Head): Promise<readonly string[] | undefined> {
    const loaded = await this.#options.conversations
      .get(conversationId, { minVersion: head.membershipVersion })
      .catch(() => undefined);
    return loaded?.found === true ? recipientsOf(loaded.view, seq).map(({ userId }) => userId) : undefined;
  }
}

const isOf = ({ what, userId }: Noticed, asked: string): boolean =>
  what.type === 'accepted' || userId === '' || userId === asked;
