import type { Appender, AppendItem, AppendOutcome, Appended } from './appender.js';
import type { MembershipChange } from './conversation.js';
import type { Conversations } from './conversations.js';
import type { EncodedMessage } from './ingress.js';
import { KIND } from './kind.js';

export interface ChangeOfMembers {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly actorUserId: string;
  readonly actorDeviceId: string;
  readonly basedOn: number;
  readonly change: MembershipChange;
  readonly encoded: EncodedMessage;
  /** Of the span that its append belongs below; empty: not traced. */
  readonly traceparent: string;
}

export interface MembershipChangesOptions {
  readonly appender: Appender;
  readonly conversations: Conversations;
  readonly onStored: (item: AppendItem, appended: Appended) => void;
}

/** Appends changes of members that `group` has decided, and keeps the members known here up with them. */
export class MembershipChanges {
  readonly #options: MembershipChangesOptions;

  constructor(options: MembershipChangesOptions) {
    this.#options = options;
  }

  async append(change: ChangeOfMembers): Promise<AppendOutcome> {
    const item: AppendItem = {
      conversationId: change.conversationId,
      senderUserId: change.actorUserId,
      senderDeviceId: change.actorDeviceId,
      clientMessageId: change.clientMessageId,
      kind: KIND.membership,
      targetSeq: 0,
      mediaIds: [],
      expiresAtMs: 0,
      membershipVersion: change.basedOn,
      envelope: change.encoded.envelope,
      bodyHash: change.encoded.bodyHash,
      // Whoever asks may have asked before: a change is rare enough to be looked up each time.
      retry: true,
      lookupOnly: false,
      senderIsAdmin: true,
      traceparent: change.traceparent,
    };
    const outcome = await new Promise<AppendOutcome>((resolve) => {
      this.#options.appender.append(item, resolve);
    });
    if (outcome.type === 'appended') this.#stored(item, change, outcome);
    if (outcome.type === 'stale')
      this.#options.conversations.noteVersion(change.conversationId, outcome.membershipVersion);
    return outcome;
  }

  #stored(item: AppendItem, { conversationId, basedOn, change }: ChangeOfMembers, appended: Appended): void {
    const { conversations, onStored } = this.#options;
    const known = conversations.peek(conversationId);
    const follows = basedOn === 0 || known?.version === basedOn;
    if (follows && !appended.duplicate) conversations.apply(conversationId, change, appended.seq);
    conversations.noteVersion(conversationId, appended.seq);
    onStored(item, appended);
  }
}
